import gzip
import os
from pathlib import Path

import pytest
from scrapy.http import Headers, Response
from scrapy.settings import Settings

from crawler.cassettes.cassette import (
    CassetteError,
    CassetteMiss,
    HttpCassette,
    RecordedResponse,
    cassette_from,
)

URL = "https://mp.weixin.qq.com/s?__biz=MjM5==&mid=1&idx=1&chksm=ab"
HTML = {"Content-Type": "text/html; charset=UTF-8"}
ASKED = {"User-Agent": "plain"}
BROWSER = {"upgrade-insecure-requests": "1"}


def response(body: bytes, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(URL, status=status, headers=Headers({**HTML, **named}), body=body)


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "folder" / "cassette.yaml")


def record(path: str, *answers: Response, url: str = URL) -> None:
    cassette = HttpCassette(path, "record")
    for answer in answers:
        cassette.record("GET", url, ASKED, answer)
    cassette.close()


def test_what_was_recorded_is_replayed(path):
    record(path, response("正文\r\n<p>一</p>".encode(), 200, Date="Fri, 31 Jul 2026 12:00:00 GMT"))
    answer = HttpCassette(path, "replay").replay("GET", URL, ASKED)
    assert (answer.status, answer.body) == (200, "正文\r\n<p>一</p>".encode())
    assert answer.headers["Date"] == b"Fri, 31 Jul 2026 12:00:00 GMT"


def test_the_same_address_answers_in_the_order_recorded_and_then_misses(path):
    record(path, response(b"first"), response(b"deleted", 200))
    cassette = HttpCassette(path, "replay")
    assert [cassette.replay("GET", URL, ASKED).body for _ in range(2)] == [b"first", b"deleted"]
    with pytest.raises(CassetteMiss, match="mid=1"):
        cassette.replay("GET", URL, ASKED)


def test_recording_again_appends(path):
    record(path, response(b"first"))
    record(path, response(b"second"))
    cassette = HttpCassette(path, "replay")
    assert [cassette.replay("GET", URL, ASKED).body for _ in range(2)] == [b"first", b"second"]


def test_a_packed_page_is_recorded_as_readable_text(path):
    page = "<p>readable</p><p>可读的正文</p>".encode()
    record(path, response(gzip.compress(page), Content_Encoding="gzip"))
    assert "<p>readable</p>" in Path(path).read_text()
    answer = HttpCassette(path, "replay").replay("GET", URL, ASKED)
    assert answer.body == page
    assert "Content-Encoding" not in answer.headers


def test_a_packed_page_that_is_cut_stays_as_it_came(path):
    cut = gzip.compress(os.urandom(500))[:-9]
    record(path, response(cut, Content_Encoding="gzip"))
    answer = HttpCassette(path, "replay").replay("GET", URL, ASKED)
    assert (answer.body, answer.headers["Content-Encoding"]) == (cut, b"gzip")


def test_binary_bodies_and_redirects_come_back_exactly(path):
    binary = bytes(range(256))
    record(path, response(binary), response(b"", 302, Location="https://mp.weixin.qq.com/s/abc"))
    cassette = HttpCassette(path, "replay")
    assert cassette.replay("GET", URL, ASKED).body == binary
    redirect = cassette.replay("GET", URL, ASKED)
    assert (redirect.status, redirect.headers["Location"]) == (302, b"https://mp.weixin.qq.com/s/abc")


def test_a_body_written_as_a_string_by_vcrpy_is_read(path):
    Path(path).parent.mkdir()
    Path(path).write_text(
        "interactions:\n- request: {body: null, headers: {}, method: GET, uri: 'https://mp.weixin.qq.com/s/abc'}\n"
        "  response:\n    body: {string: 文}\n    headers: {Content-Type: [text/html]}\n"
        "    status: {code: 200, message: OK}\nversion: 1\n",
        encoding="utf-8",
    )
    assert (
        HttpCassette(path, "replay").replay("GET", "https://mp.weixin.qq.com/s/abc", {}).body == "文".encode()
    )


def test_no_secret_reaches_the_file_and_the_scrubbed_request_is_still_matched(path):
    url = URL + "&key=c0ffee1&pass_ticket=c0ffee2"
    answer = response(
        b'<script>window.cgiData={poc_token:"c0ffee3",cap_sid:"c0ffee4"}</script>',
        Set_Cookie="wap_sid2=c0ffee5",
        X_WX_Fj="c0ffee6",
        Location="/mp/wappoc_appmsgcaptcha?poc_token=c0ffee7",
    )
    cassette = HttpCassette(path, "record")
    cassette.record("GET", url, ASKED | {"Cookie": "c0ffee8", "Authorization": "c0ffee9"}, answer)
    cassette.close()
    assert "c0ffee" not in Path(path).read_text()
    assert b"SCRUBBED" in HttpCassette(path, "replay").replay("GET", url, ASKED).body


def test_a_browsers_request_and_a_plain_one_have_answers_of_their_own(path):
    cassette = HttpCassette(path, "record")
    cassette.record("GET", URL, ASKED, response(b"plain 1"))
    cassette.append("GET", URL, BROWSER, RecordedResponse(200, (), b"browser"))
    cassette.record("GET", URL, ASKED, response(b"plain 2"))
    cassette.close()
    cassette = HttpCassette(path, "replay")
    assert [cassette.replay("GET", URL, ASKED).body for _ in range(2)] == [b"plain 1", b"plain 2"]
    assert cassette.play("GET", URL, BROWSER).body == b"browser"


def test_a_replayed_cassette_is_not_written_to(path):
    record(path, response(b"x"))
    before = Path(path).stat().st_mtime_ns
    cassette = HttpCassette(path, "replay")
    cassette.replay("GET", URL, ASKED)
    cassette.close()
    assert Path(path).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "settings",
    [{"CASSETTE": "x.yaml"}, {"CASSETTE_MODE": "replay"}, {"CASSETTE": "x.yaml", "CASSETTE_MODE": "once"}],
)
def test_half_a_switch_is_refused(settings):
    with pytest.raises(CassetteError, match="record or replay"):
        cassette_from(Settings(settings))


def test_a_missing_cassette_is_refused_before_anything_is_asked(path):
    with pytest.raises(CassetteError, match=r"cassette\.yaml"):
        cassette_from(Settings({"CASSETTE": path, "CASSETTE_MODE": "replay"}))


def test_without_the_switch_nothing_is_recorded_or_replayed():
    cassette = cassette_from(Settings())
    assert not cassette.records
    assert not cassette.replays
    cassette.close()
