"""The inbox over real HTTP, into a real Postgres: every answer it gives."""

import json
import socket
from collections.abc import Iterator
from ipaddress import ip_network
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, select, text

from archive.db.engine import transaction
from archive.db.models import Address, Sighting
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.repository.frontier import record_sightings
from tests.archive.making import NOW, record
from tests.web.served import FORM, JSON, PATIENCE, TEXT, TOKEN, Served, served, unfinished_posts
from web.auth import Access
from web.inbox import routes, submission
from web.inbox.submission import MAX_BODY_BYTES, MAX_CLIENT_UNSIGNED, MAX_SUBMISSIONS, SUBMISSION_WINDOW

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
SECRET = "c0ffee" * 8
NO_TOKEN = ""
HEAD = (
    f"POST /inbox HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {TEXT}\r\n".encode()
)


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    with served(engine) as client:
        yield client


def due(engine: Engine) -> dict[str, bool]:
    """Whether each address is due."""
    with transaction(engine) as session:
        return {row.url: row.next_fetch_at == NOW for row in session.scalars(select(Address))}


@pytest.mark.parametrize(
    ("body", "kind", "title"),
    [
        (f"合成标题 {SHORT}", TEXT, "合成标题"),
        (json.dumps({"url": SHORT, "title": "合成标题"}), JSON, "合成标题"),
        (
            json.dumps({"text": f"合成标题\n{SHORT}", "url": None}),
            "Application/JSON; charset=utf-8",
            "合成标题",
        ),
        (urlencode({"url": SHORT, "title": "合成标题"}), FORM, "合成标题"),
        (urlencode([("text", SHORT), ("text", SHORT)]), FORM, None),
    ],
)
def test_a_link_is_filed_however_it_is_sent(
    web: Served, engine: Engine, body: str, kind: str, title: str | None
) -> None:
    filed = {"address": SHORT, "new": True} | ({"title": title} if title else {})
    answer = web.post(body, kind)
    assert (answer.status, answer.json) == (200, {"filed": [filed], "refused": []})
    assert web.post(body, kind).json["filed"][0]["new"] is False
    assert due(engine) == {SHORT: True}
    with transaction(engine) as session:
        (sighting,) = session.scalars(select(Sighting))
        assert (sighting.source, sighting.title, sighting.last_seen_at) == ("inbox", title or "", NOW)


def test_the_token_may_come_in_the_body_and_nowhere_else(web: Served) -> None:
    assert web.post(json.dumps({"url": SHORT, "token": TOKEN}), JSON, NO_TOKEN).status == 200
    assert web.post(urlencode({"url": SHORT, "token": TOKEN}), FORM, NO_TOKEN).status == 200
    basic = {"Authorization": "Basic c3ludGhldGlj"}  # a proxy's own sign-in
    assert web.post(urlencode({"url": SHORT, "token": TOKEN}), FORM, NO_TOKEN, **basic).status == 200
    answer = web.ask("POST", f"/inbox?token={TOKEN}", SHORT.encode(), Content_Type=TEXT)
    assert answer.status == 401


@pytest.mark.parametrize(
    "wrong", [NO_TOKEN, "synthetic-token-0c4", f"{TOKEN}x", "口令".encode().decode("latin-1")]
)
def test_a_wrong_token_files_nothing(web: Served, engine: Engine, wrong: str) -> None:
    answer = web.post(SHORT, token=wrong)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "token" in answer.json["error"]
    assert web.post(json.dumps({"url": SHORT, "token": "\ud800"}), JSON, NO_TOKEN).status == 401
    assert due(engine) == {}


def test_without_a_token_the_inbox_is_closed_and_says_how_to_open_it(engine: Engine) -> None:
    with served(engine, token="") as web:
        for sent in (NO_TOKEN, TOKEN):
            answer = web.post(SHORT, token=sent)
            assert answer.status == 403
            assert "MPARCHIVE_INBOX_TOKEN_FILE" in answer.json["error"]
            assert "MPARCHIVE_INBOX_TOKEN_FILE" in answer.json["zh"]
        page = web.ask("GET", "/inbox?lang=en").body.decode()
        assert "<textarea" not in page
        assert "MPARCHIVE_INBOX_TOKEN_FILE" in page
        assert 'href="/inbox' not in web.ask("GET", "/").body.decode()
    with served(engine) as web:
        assert 'href="/inbox' in web.ask("GET", "/").body.decode()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("", TEXT, 400),
        ("合成", TEXT, 400),
        ("{", JSON, 400),
        ("[]", JSON, 400),
        ('{"url": 5}', JSON, 400),
        ('{"url": "https://example.com/"}', JSON, 400),
        ("[" * 60_000, JSON, 400),
        ("1" * 60_000, JSON, 400),
        (b"\xff\xfe\x00", JSON, 400),
        ("&".join(["a=1"] * 300), FORM, 400),
        ("x" * (MAX_BODY_BYTES + 1), TEXT, 413),
        ("\n".join(f"{SHORT[:-3]}{number}" for number in range(100, 201)), TEXT, 413),
        (SHORT, "multipart/form-data; boundary=x", 415),
        (SHORT, "", 415),
    ],
)
def test_a_bad_body_is_refused_with_one_sentence(
    web: Served, engine: Engine, body: str | bytes, kind: str, status: int
) -> None:
    answer = web.post(body, kind)
    assert answer.status == status
    assert answer.json["error"]
    assert answer.json["zh"]
    assert due(engine) == {}


def test_a_chunked_body_is_bounded_too(web: Served) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert b" 413 " in raw(web, b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n")


def test_a_body_that_does_not_arrive_times_out(web: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS", 0.05)
    assert b" 408 " in raw(web, b"Content-Length: 50\r\n\r\nhalf")


def test_a_wrong_token_is_refused_before_the_body_arrives(
    web: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS", PATIENCE)
    with unfinished_posts(web, 1, "Authorization: Bearer another-token-0c4d") as (client,):
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_few_bodies_without_a_token_are_received_at_once_from_one_client(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS", PATIENCE)
    body = json.dumps({"url": SHORT, "token": TOKEN})
    with served(engine, access=Access(proxies=(ip_network("127.0.0.0/8"),))) as web:
        with unfinished_posts(web, MAX_CLIENT_UNSIGNED + 1) as clients:
            assert clients[-1].recv(65536).startswith(b"HTTP/1.1 503 ")
            refused = web.post(body, JSON, NO_TOKEN)
            assert (refused.status, refused.headers["Retry-After"]) == (503, str(PATIENCE))
            assert "同时提交的人过多" in refused.json["zh"]
            assert web.post(body, JSON, NO_TOKEN, X_Forwarded_For="192.0.2.7").status == 200
            assert web.post(SHORT).status == 200
        for _ in range(PATIENCE * 100):  # until the server has seen that they are gone
            if web.post(body, JSON, NO_TOKEN).status == 200:
                break
        else:
            pytest.fail("their places are not given back")


def test_the_number_of_bodies_without_a_token_is_bounded_over_all_clients(
    web: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS", PATIENCE)
    monkeypatch.setattr(routes, "MAX_CLIENT_UNSIGNED", 1000)
    with unfinished_posts(web, submission.MAX_UNSIGNED + 1) as clients:
        assert clients[-1].recv(65536).startswith(b"HTTP/1.1 503 ")
        assert web.post(SHORT).status == 200


def raw(web: Served, rest: bytes) -> bytes:
    """Return the first bytes of the answer to a request that a well-behaved client would not send."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as connection:
        connection.sendall(HEAD + rest)
        return connection.recv(100)


def test_submissions_over_the_limit_have_to_wait(web: Served, engine: Engine) -> None:
    answers = [web.post(SHORT) for _ in range(MAX_SUBMISSIONS + 1000)]
    assert [answer.status for answer in answers] == [200] * MAX_SUBMISSIONS + [429] * 1000
    assert answers[-1].headers["Retry-After"] == str(SUBMISSION_WINDOW)
    web.seconds += SUBMISSION_WINDOW
    assert web.post(SHORT).status == 200


def test_wrong_tokens_are_limited_apart_from_right_ones(web: Served) -> None:
    assert [web.post(SHORT, token="x" * 20).status for _ in range(MAX_SUBMISSIONS + 2)] == [
        401
    ] * MAX_SUBMISSIONS + [429] * 2
    assert web.post(SHORT).status == 200


def test_a_given_up_address_is_due_again_and_a_final_one_is_not(web: Served, engine: Engine) -> None:
    waiting, deleted = record(1).url, record(2).url
    with transaction(engine) as session:
        seen = [SightingData(parse_address(url), "list", NOW) for url in (waiting, deleted)]
        record_sightings(session, None, seen, NOW)
        for row in session.scalars(select(Address)):
            row.last_outcome = Outcome.UNKNOWN if row.url == waiting else Outcome.DELETED
            row.next_fetch_at, row.attempts = None, 9
    assert web.post(f"{waiting} {deleted}").status == 200
    assert due(engine) == {waiting: True, deleted: False}


def test_a_database_that_is_down_files_nothing_and_is_used_again_afterwards(
    web: Served, engine: Engine, server_url: str
) -> None:
    name = engine.url.database
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")

    def allow(answer: str) -> None:
        with admin.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {answer}"))
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
                {"name": name},
            )

    allow("false")
    answer = web.post(SHORT)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert web.ask("GET", "/livez").status == 200
    allow("true")
    admin.dispose()
    assert web.post(SHORT).json["filed"] == [{"address": SHORT, "new": True}]


def test_a_locked_database_is_not_waited_for(
    web: Served, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "STATEMENT_SECONDS", 1)
    with transaction(engine) as session:
        session.execute(text("LOCK TABLE addresses"))
        assert web.post(SHORT).status == 503
    assert due(engine) == {}


def test_neither_token_nor_session_nor_text_is_in_the_log_or_the_archive(
    web: Served, engine: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    web.post(f"合成标题 {SHORT}?key={SECRET}&pass_ticket={SECRET}#uin={SECRET}")
    web.ask("POST", f"/inbox?token={TOKEN}&url={SHORT}", b"x", Content_Type=TEXT)
    web.post(json.dumps({"url": "https://example.com/", "token": TOKEN}), JSON, NO_TOKEN)
    out, err = capfd.readouterr()
    assert out.count("action=inbox_") == 3
    for word in (TOKEN, SECRET, "AbCdEf", "合成标题"):
        assert word not in out + err
    with transaction(engine) as session:
        stored = [*session.scalars(select(Address.url)), *session.scalars(select(Sighting.url))]
    assert stored == [SHORT, SHORT]


PIECES = (
    *("https://mp.weixin.qq.com/s/", "https://mp.weixin.qq.com/s?", "AbCdEfGhIj", "__biz=MzA=&mid=1&idx=1"),
    *(
        "http://[",
        "&amp;",
        "\\u0000",
        "\\ud800",
        "\0",
        "%00",
        "%ff",
        "#",
        "&text=",
        "&url=",
        "&key=",
        "字",
        "\n",
    ),
    *('"', '{"url": "', '"}', "https://a/?u=https%3A%2F%2Fmp.weixin.qq.com%2Fs%2FAbCdEfGhIj"),
)
hostile = st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=12).map(
    lambda some: "".join(some).encode()
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=hostile, kind=st.sampled_from([JSON, FORM, TEXT]))
def test_any_bytes_are_filed_or_refused(web: Served, body: bytes, kind: str) -> None:
    web.seconds += 1
    answer = web.post(body, kind)
    assert answer.status in (200, 400)
    assert ("filed" if answer.status == 200 else "error") in answer.json
