"""Access control: tokens, trusted proxies, and the settings of both."""

import re
from base64 import b64encode
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.datastructures import Headers

from archive.domain.errors import TokenUnusable
from tests.web.served import served
from web.auth import OPEN, Access, InboxSettings, ReadingSettings
from web.errors import problem_response
from web.middleware import MAX_CLIENTS, MAX_REQUESTS, AdmissionMiddleware

TOKEN = "synthetic-reading-token"
PROXIED = Access(TOKEN, "X-Forwarded-User", (ip_network("10.0.0.0/8"),))


def basic(password: str) -> str:
    return f"Basic {b64encode(f'anybody:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "admitted"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (basic(TOKEN), True),
        ("", False),
        (TOKEN, False),
        ("Bearer ", False),
        (f"Bearer {TOKEN}x", False),
        (basic("another"), False),
        ("Basic !!!", False),
        ("Basic /////w==", False),
        (f"Digest {TOKEN}", False),
        ("Bearer 口令口令口令口令口令口令口令口令", False),
    ],
)
def test_the_token_opens_as_bearer_or_as_password(authorization: str, admitted: bool) -> None:
    headers = Headers(raw=[(b"authorization", authorization.encode())])
    assert Access(TOKEN).admits("192.0.2.1", headers) is admitted


def test_a_header_is_believed_of_trusted_proxies_alone() -> None:
    named = Headers({"X-Forwarded-User": "somebody", "X-Forwarded-For": "198.51.100.7, 203.0.113.9"})
    assert PROXIED.admits("10.1.2.3", named)
    assert PROXIED.admits("::ffff:10.1.2.3", named)
    assert not PROXIED.admits("192.0.2.1", named)
    assert not PROXIED.admits("10.1.2.3", Headers({"X-Forwarded-User": ""}))
    assert (PROXIED.client("10.1.2.3", named), PROXIED.client("192.0.2.1", named)) == (
        "203.0.113.9",
        "192.0.2.1",
    )
    assert PROXIED.client("10.1.2.3", Headers({"X-Forwarded-For": "no address"})) == "10.1.2.3"


def test_without_a_token_and_a_header_everybody_reads() -> None:
    assert OPEN.admits("192.0.2.1", Headers({}))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("READING_TOKEN", "short", "16 to 256"),
        ("PROXY_USER_HEADER", "X Forwarded", "not the name of a header"),
        ("PROXY_USER_HEADER", "X-Forwarded-User", "MPARCHIVE_TRUSTED_PROXIES"),
        ("TRUSTED_PROXIES", "localhost", "addresses or networks"),
    ],
)
def test_half_a_setting_is_refused(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MPARCHIVE_{name}", value)
    with pytest.raises(TokenUnusable, match=said):
        ReadingSettings().access()


def test_settings_make_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ReadingSettings().access() == OPEN
    monkeypatch.setenv("MPARCHIVE_READING_TOKEN", TOKEN)
    monkeypatch.setenv("MPARCHIVE_PROXY_USER_HEADER", "X-Forwarded-User")
    monkeypatch.setenv("MPARCHIVE_TRUSTED_PROXIES", "10.0.0.0/8,")
    assert ReadingSettings().access() == PROXIED


def test_machines_are_answered_without_the_token_and_everything_else_is_shut(engine: Engine) -> None:
    with served(engine, access=Access(TOKEN)) as web:
        assert [web.ask("GET", path).status for path in ("/livez", "/readyz", "/inbox")] == [200] * 3
        for path in ("/metrics", "/openapi.json", "/", "/absent"):
            refused = web.ask("GET", path)
            assert refused.status == 401
            assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert web.ask("GET", "/metrics", Authorization=f"Bearer {TOKEN}").status == 200
        assert web.ask("GET", "/metrics", Authorization=basic(TOKEN)).status == 200


def test_a_client_that_asks_too_much_is_told_when_to_come_back(engine: Engine) -> None:
    with served(engine) as web:
        answers = {web.ask("GET", "/absent").status for _ in range(MAX_REQUESTS)}
        assert answers == {404}
        refused = web.ask("GET", "/absent")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
        assert web.ask("GET", "/livez").status == 200
        web.seconds = 61.0
        assert web.ask("GET", "/absent").status == 404


def test_who_is_refused_in_a_browser_reads_why_on_a_page_of_theirs_and_programs_as_problems(
    engine: Engine,
) -> None:
    with served(engine, access=Access(TOKEN)) as web:
        refused = web.ask("GET", "/health", Accept_Language="zh-CN")
        assert refused.status == 401
        assert "需要访问口令" in refused.body.decode()
        assert "请将口令作为密码输入" in refused.body.decode()
        style = re.findall(r'href="(/static/[^"]+)"', refused.body.decode())[0]
        assert web.ask("GET", style).status == 200
        for path in ("/api/v1/posts", "/feeds/posts.atom", "/metrics"):
            assert web.ask("GET", path).json["status"] == 401
        for _ in range(MAX_REQUESTS):
            refused = web.ask("GET", "/api/v1/posts")
        assert refused.status == 429
        assert refused.json["detail"] == "at most 1200 requests a minute; wait 60 s"
        assert "每分钟最多 1200 次请求" in web.ask("GET", "/?lang=zh").body.decode()


def test_head_is_answered_as_get_is_without_a_body(engine: Engine) -> None:
    with served(engine) as web:
        for path in ("/livez", "/readyz", "/metrics", "/feeds/posts.atom", "/api/v1/posts", "/openapi.json"):
            head, got = web.ask("HEAD", path), web.ask("GET", path)
            assert (head.status, head.body) == (200, b"")
            assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_feeds_lead_to_https_where_a_trusted_proxy_says_so(engine: Engine) -> None:
    proxy = Access(TOKEN, "X-Forwarded-User", (ip_network("127.0.0.0/8"),))
    for access, scheme, expected in (
        (proxy, "https", "https"),
        (proxy, "ftp", "http"),
        (OPEN, "https", "http"),
    ):
        with served(engine, access=access) as web:
            told = {"X_Forwarded_User": "somebody", "X_Forwarded_Proto": scheme, "Host": "archive.example"}
            feed = web.ask("GET", "/feeds/posts.json", **told).json
            assert feed["home_page_url"] == f"{expected}://archive.example/"


def test_only_so_many_clients_are_counted() -> None:
    middleware = AdmissionMiddleware(lambda *_: None, OPEN, lambda: 0.0, problem_response)  # type: ignore[arg-type]  # nothing is passed on
    for number in range(MAX_CLIENTS + 50):
        middleware.count(f"192.0.2.{number}")
    assert middleware.counted_clients == MAX_CLIENTS


INBOX_TOKEN = "synthetic-token-0c4d"


def test_without_a_token_there_is_none() -> None:
    assert InboxSettings().token() == ""


def test_it_comes_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", INBOX_TOKEN)
    assert InboxSettings().token() == INBOX_TOKEN
    assert INBOX_TOKEN not in repr(InboxSettings())
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", "")
    (tmp_path / "token").write_text(f"{INBOX_TOKEN}\n")
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "token"))
    assert InboxSettings().token() == INBOX_TOKEN


@pytest.mark.parametrize(
    "wrong", ["hush-hush-hush-", "hush hush hush hush", "hush" * 100, "口令" * 16, "\x00" * 16]
)
def test_what_is_too_short_or_cannot_be_typed_is_refused_without_being_shown(
    wrong: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(wrong)
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(TokenUnusable, match="16 to 256") as error:
        InboxSettings().token()
    assert "hush" not in str(error.value)


def test_a_file_that_is_not_there_and_two_places_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "absent"))
    with pytest.raises(TokenUnusable, match=r"absent cannot be read: no such file"):
        InboxSettings().token()
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", INBOX_TOKEN)
    with pytest.raises(TokenUnusable, match="exclude each other"):
        InboxSettings().token()
