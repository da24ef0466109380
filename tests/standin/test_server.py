"""The stand-in's behaviour over real HTTP: addresses, redirects, albums, faults, statistics."""

import json
import zlib
from collections.abc import Iterator
from http.client import IncompleteRead
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.standin import Standin
from tests.standin.client import Got, get
from tests.standin.posts import ALBUM, POSTS

POST = POSTS[0]


@pytest.fixture(scope="module")
def running() -> Iterator[Standin]:
    with Standin() as standin:
        yield standin


@pytest.fixture
def standin(running: Standin) -> Iterator[Standin]:
    running.forget()
    yield running
    running.clear()
    running.show(POST.name, "original")


def _page(standin: Standin, **more: Any) -> Got:
    return get(standin.origin, POST.url, **more)


def test_a_post_is_compressed_if_the_client_accepts_it(standin: Standin) -> None:
    packed, plain = _page(standin, packed=True), _page(standin)
    assert packed.body == plain.body
    assert packed.wire < plain.wire
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Date"]
    assert any("must-be-scrubbed" in cookie for cookie in packed.headers.get_all("Set-Cookie", []))


def test_without_chksm_the_server_asks_for_verification(standin: Standin) -> None:
    refused = get(standin.origin, POST.bare_url)
    location = urlsplit(refused.headers["Location"])
    assert refused.status == 302
    assert location.path == "/mp/wappoc_appmsgcaptcha"
    assert f"mid={POST.mid}" in parse_qs(location.query)["target_url"][0]
    challenge = get(standin.origin, refused.headers["Location"])
    assert b"secitptpage/verify.html" in challenge.body
    assert 16_000 < len(challenge.body) < 19_000


def test_a_short_link_shows_the_post_and_an_unknown_one_a_parameter_error(standin: Standin) -> None:
    assert get(standin.origin, POST.short_url).body == _page(standin).body
    unknown = get(standin.origin, "/s/" + "A" * 22)
    assert unknown.status == 200
    assert "参数错误".encode() in unknown.body


def test_the_page_at_an_address_can_change(standin: Standin) -> None:
    standin.show(POST.name, "deleted")
    assert "已被发布者删除".encode() in get(standin.origin, POST.short_url).body
    assert next(one for one in standin.describe() if one["name"] == POST.name)["outcome"] == "deleted"


def _album(standin: Standin, **asked: str) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in {"album_id": ALBUM, "f": "json", **asked}.items())
    answer: dict[str, Any] = json.loads(get(standin.origin, f"/mp/appmsgalbum?action=getalbum&{query}").body)
    return answer["getalbum_resp"]


def test_an_album_is_listed_in_pages_and_ends_without_a_list(standin: Standin) -> None:
    first = _album(standin, count="2")
    last = first["article_list"][-1]
    second = _album(standin, count="2", begin_msgid=last["msgid"], begin_itemidx=last["itemidx"])
    only = second["article_list"]
    past = _album(standin, count="2", begin_msgid=only["msgid"], begin_itemidx=only["itemidx"])
    assert (first["continue_flag"], second["continue_flag"]) == ("1", "0")
    assert isinstance(only, dict)
    assert "article_list" not in past
    assert {item["url"] for item in [*first["article_list"], only]} == {
        post.url for post in POSTS if post.album == ALBUM
    }
    assert all(isinstance(value, str) for name, value in only.items() if name != "cover_theme_color")


def test_the_album_page_holds_its_items(standin: Standin) -> None:
    page = get(standin.origin, f"/mp/appmsgalbum?action=getalbum&album_id={ALBUM}").body.decode()
    assert page.count("js_album_item") == sum(post.album == ALBUM for post in POSTS)


def test_a_cut_answer_is_shorter_than_promised(standin: Standin) -> None:
    standin.fault("cut", post=POST.name, times=1)
    with pytest.raises(IncompleteRead):
        _page(standin)
    assert _page(standin).status == 200


def test_a_cut_chunked_answer_never_ends(standin: Standin) -> None:
    standin.fault("cut_chunked", times=1)
    with pytest.raises(IncompleteRead):
        _page(standin)


def test_a_connection_can_be_reset(standin: Standin) -> None:
    standin.fault("reset", times=1)
    with pytest.raises(ConnectionResetError):
        _page(standin)


def test_an_error_status_comes_as_often_as_asked_with_retry_after(standin: Standin) -> None:
    standin.fault("error", post=POST.aid, times=2, status=502, retry_after="7")
    answers = [_page(standin) for _ in range(3)]
    assert [answer.status for answer in answers] == [502, 502, 200]
    assert answers[0].headers["Retry-After"] == "7"


def test_a_page_in_another_charset_declares_it_or_not(standin: Standin) -> None:
    honest = _page(standin).body.decode()
    standin.fault("gb18030", times=1)
    standin.fault("gb18030_lying", times=1)
    for charset in ("GB18030", "UTF-8"):
        answer = _page(standin, packed=True)
        assert answer.body.decode("gb18030") == honest
        assert answer.headers["Content-Type"] == f"text/html; charset={charset}"


def test_a_slow_page_is_complete(standin: Standin) -> None:
    whole = _page(standin).body
    standin.fault("slow", times=1, seconds=0.01)
    standin.fault("slow_body", times=1, seconds=0.01)
    assert [_page(standin).body, _page(standin).body] == [whole, whole]


def test_verification_starts_after_some_pages_and_clears_after_some_more(standin: Standin) -> None:
    standin.fault("verification", after=2, times=2)
    assert [_page(standin).status for _ in range(5)] == [200, 200, 302, 302, 200]


def test_faults_can_be_in_force_from_the_start() -> None:
    with Standin(faults=[{"kind": "error", "status": 500, "after": 1}]) as standin:
        assert [_page(standin).status for _ in range(3)] == [200, 500, 500]


def test_a_redirect_can_lead_to_another_host(standin: Standin) -> None:
    standin.fault("elsewhere", times=1, to="https://example.invalid/")
    assert _page(standin).headers["Location"] == "https://example.invalid/"


def test_statistics_have_paths_and_times_between_requests(standin: Standin) -> None:
    for _ in range(3):
        _page(standin)
    stats = standin.stats()
    assert stats["paths"] == {"/s": 3}
    assert len(stats["gaps"]) == 2
    assert all(gap >= 0 for gap in stats["gaps"])


def test_an_unknown_control_request_is_refused(standin: Standin) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        standin.fault("earthquake")
    with pytest.raises(ValueError, match="KeyError"):
        standin.show("nobody", "deleted")


def test_a_bomb_is_small_on_the_wire_and_more_than_a_gigabyte_unpacked(standin: Standin) -> None:
    standin.fault("bomb", times=1)
    connection = get_raw(standin.origin, POST.url)
    unpacker, size = zlib.decompressobj(31), 0
    piece = unpacker.decompress(connection, 1 << 24)
    while piece:
        size += len(piece)
        piece = unpacker.decompress(unpacker.unconsumed_tail, 1 << 24)
    assert len(connection) < 4 << 20
    assert size > 1 << 30
    assert unpacker.eof


def get_raw(origin: str, address: str) -> bytes:
    """Return the bytes on the wire, not decompressed."""
    from urllib.request import Request, urlopen

    asked = urlsplit(address)
    target = f"{origin}{asked.path}?{asked.query}"
    with urlopen(Request(target, headers={"Accept-Encoding": "gzip"}), timeout=30) as answer:
        return bytes(answer.read())
