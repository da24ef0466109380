"""Access control: tokens, trusted proxies, and the settings of both."""

import re
from base64 import b64encode
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.datastructures import Headers

from archive.domain.errors import TokenUnusable
from tests.support.secret_files import put_secret
from tests.web.served import BEARER, served
from web.auth import LOOPBACK_HOSTS, OPEN, Access, InboxSettings, ReadingSettings
from web.errors import problem_response
from web.middleware import MAX_CLIENTS, MAX_REQUESTS, AdmissionMiddleware
from web.pages.render import STYLE_PATH

TOKEN = "synthetic-reading-token"
LOCAL = (ip_network("127.0.0.0/8"),)
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
def test_the_token_is_accepted_as_bearer_or_as_password(authorization: str, admitted: bool) -> None:
    headers = Headers(raw=[(b"authorization", authorization.encode())])
    assert Access(TOKEN).admits("192.0.2.1", headers) is admitted


def test_headers_are_trusted_only_from_trusted_proxies() -> None:
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


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["198.51.100.7", "203.0.113.9"], "203.0.113.9"),
        (["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9", "nobody"], "10.1.2.3"),
        ([], "10.1.2.3"),
    ],
)
def test_of_several_forwarded_addresses_the_last_counts(lines: list[str], client: str) -> None:
    headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in lines])
    assert PROXIED.client("10.1.2.3", headers) == client
    assert PROXIED.client("192.0.2.1", headers) == "192.0.2.1"
    schemes = Headers(raw=[(b"x-forwarded-proto", scheme) for scheme in (b"https", b"http")])
    assert PROXIED.scheme("10.1.2.3", schemes, "ftp") == "http"


def test_a_user_is_trusted_only_from_a_trusted_proxy_and_if_named_once(engine: Engine) -> None:
    for proxies, status in ((LOCAL, 200), (PROXIED.proxies, 401)):
        with served(engine, access=Access(user_header="X-Forwarded-User", proxies=proxies)) as web:
            assert web.ask("GET", "/metrics").status == 401
            assert web.ask("GET", "/metrics", X_Forwarded_User="somebody").status == status
    twice = Headers(raw=[(b"x-forwarded-user", b"somebody"), (b"x-forwarded-user", b"root")])
    assert not Access(user_header="X-Forwarded-User", proxies=LOCAL).admits("127.0.0.1", twice)


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/posts", "/feeds/posts.atom", "/metrics", "/inbox", "/openapi.json"]
)
def test_an_open_archive_answers_only_to_its_own_host_names(engine: Engine, path: str) -> None:
    with served(engine, access=Access(hosts=LOOPBACK_HOSTS)) as web:
        for host in ("127.0.0.1", f"127.0.0.1:{web.port}", "LOCALHOST:1", "localhost.", f"[::1]:{web.port}"):
            assert web.ask("GET", path, Host=host).status == 200, host
        for host in (
            "evil.test",
            "evil.test:8000",
            "127.0.0.1.evil.test",
            "localhost@evil.test",
            "localhost:8788@evil.test",
            "localhost:evil.test",
            "[::1]evil.test",
            "[::1].evil.test:80",
            "localhost/evil.test",
            "[::2]",
            "",
        ):
            assert web.ask("GET", path, Host=host).status == 421, host
        assert web.ask("GET", "/livez", Host="evil.test").status == 200


def test_every_address_is_closed_to_other_host_names(engine: Engine) -> None:
    """Go through the addresses that the application has: pages, API, feeds, media, stored pages."""
    with served(engine, access=Access(hosts=LOOPBACK_HOSTS)) as web:
        routes = web.ask("GET", "/openapi.json").json["paths"].keys() - {"/livez", "/readyz"}
        pages = {"/files/{sha256}", "/captures/{number}", "/posts/{biz}/{aid}/offline", "/health", STYLE_PATH}
        for route in sorted(routes | pages):
            path = re.sub(r"{\w+}", "1", route)
            assert web.ask("GET", path, Host="evil.test").status == 421, route
            assert web.ask("GET", path, Host="localhost").status != 421, route
    assert any("/feeds/" in route for route in routes)
    assert any("/captures/" in route for route in routes)


def test_a_foreign_host_name_is_refused_in_the_readers_language_and_files_nothing(engine: Engine) -> None:
    link = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
    with served(engine, access=Access(hosts=LOOPBACK_HOSTS)) as web:
        refused = web.ask("GET", "/?lang=zh", Host="evil.test").body.decode()
        assert "此主机名未开放访问" in refused
        assert "MPARCHIVE_SERVED_HOSTS" in refused
        assert web.post(link, Host="evil.test").status == 421
        assert web.ask("POST", "/inbox", link.encode(), Content_Type="text/plain", **BEARER).status == 200


def test_further_host_names_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_SERVED_HOSTS", "archive.example, Reading.example")
    assert ReadingSettings().hosts("::1") == LOOPBACK_HOSTS | {"archive.example", "reading.example"}
    monkeypatch.setenv("MPARCHIVE_SERVED_HOSTS", "http://archive.example/")
    with pytest.raises(TokenUnusable, match="MPARCHIVE_SERVED_HOSTS"):
        ReadingSettings().hosts("localhost")


def test_without_a_token_and_a_header_anybody_may_read() -> None:
    assert OPEN.admits("192.0.2.1", Headers({}))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("READING_TOKEN", "short", "16 to 256"),
        ("PROXY_USER_HEADER", "X Forwarded", "not the name of a header"),
        ("PROXY_USER_HEADER", "X-Forwarded-User", "MPARCHIVE_TRUSTED_PROXIES"),
        ("TRUSTED_PROXIES", "localhost", "addresses or networks"),
    ],
)
def test_incomplete_or_wrong_settings_are_refused(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"MPARCHIVE_{name}", value)
    with pytest.raises(TokenUnusable, match=sentence):
        ReadingSettings().access()


def test_settings_decide_who_may_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ReadingSettings().access() == OPEN
    monkeypatch.setenv("MPARCHIVE_READING_TOKEN", TOKEN)
    monkeypatch.setenv("MPARCHIVE_PROXY_USER_HEADER", "X-Forwarded-User")
    monkeypatch.setenv("MPARCHIVE_TRUSTED_PROXIES", "10.0.0.0/8,")
    assert ReadingSettings().access() == PROXIED


def test_only_monitoring_and_the_inbox_need_no_token(engine: Engine) -> None:
    with served(engine, access=Access(TOKEN)) as web:
        assert [web.ask("GET", path).status for path in ("/livez", "/readyz", "/inbox")] == [200] * 3
        for path in ("/metrics", "/openapi.json", "/", "/absent"):
            refused = web.ask("GET", path)
            assert refused.status == 401
            assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert web.ask("GET", "/metrics", Authorization=f"Bearer {TOKEN}").status == 200
        assert web.ask("GET", "/metrics", Authorization=basic(TOKEN)).status == 200


def test_a_client_over_the_rate_limit_gets_429_with_retry_after(engine: Engine) -> None:
    with served(engine) as web:
        answers = {web.ask("GET", "/absent").status for _ in range(MAX_REQUESTS)}
        assert answers == {404}
        refused = web.ask("GET", "/absent")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
        assert web.ask("GET", "/livez").status == 200
        web.seconds = 61.0
        assert web.ask("GET", "/absent").status == 404


def test_a_refused_browser_gets_a_page_and_a_refused_program_a_problem(
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


def test_head_is_answered_as_get_without_a_body(engine: Engine) -> None:
    with served(engine) as web:
        for path in ("/livez", "/readyz", "/metrics", "/feeds/posts.atom", "/api/v1/posts", "/openapi.json"):
            head, answer = web.ask("HEAD", path), web.ask("GET", path)
            assert (head.status, head.body) == (200, b"")
            assert head.headers["Content-Type"] == answer.headers["Content-Type"]


def test_feeds_link_to_https_where_a_trusted_proxy_says_so(engine: Engine) -> None:
    proxy = Access(TOKEN, "X-Forwarded-User", (ip_network("127.0.0.0/8"),))
    for access, scheme, expected in (
        (proxy, "https", "https"),
        (proxy, "ftp", "http"),
        (OPEN, "https", "http"),
    ):
        with served(engine, access=access) as web:
            headers = {"X_Forwarded_User": "somebody", "X_Forwarded_Proto": scheme, "Host": "archive.example"}
            feed = web.ask("GET", "/feeds/posts.json", **headers).json
            assert feed["home_page_url"] == f"{expected}://archive.example/"


def test_the_number_of_counted_clients_is_bounded() -> None:
    middleware = AdmissionMiddleware(lambda *_: None, OPEN, lambda: 0.0, problem_response)  # type: ignore[arg-type]  # nothing is passed on
    for number in range(MAX_CLIENTS + 50):
        middleware.count(f"192.0.2.{number}")
    assert middleware.counted_clients == MAX_CLIENTS


INBOX_TOKEN = "synthetic-token-0c4d"


def test_without_a_setting_the_inbox_has_no_token() -> None:
    assert InboxSettings().token() == ""


def test_the_inbox_token_comes_from_the_environment_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", INBOX_TOKEN)
    assert InboxSettings().token() == INBOX_TOKEN
    assert INBOX_TOKEN not in repr(InboxSettings())
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", "")
    put_secret(tmp_path / "token", f"{INBOX_TOKEN}\n")
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "token"))
    assert InboxSettings().token() == INBOX_TOKEN


@pytest.mark.parametrize(
    "wrong", ["hush-hush-hush-", "hush hush hush hush", "hush" * 100, "口令" * 16, "\x00" * 16]
)
def test_an_unusable_token_is_refused_and_not_shown(
    wrong: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_secret(tmp_path / "token", wrong)
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(TokenUnusable, match="16 to 256") as error:
        InboxSettings().token()
    assert "hush" not in str(error.value)


def test_a_token_file_that_others_may_read_or_that_is_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(file))
    put_secret(file, INBOX_TOKEN)
    file.chmod(0o644)
    with pytest.raises(TokenUnusable, match="chmod 600") as error:
        InboxSettings().token()
    assert "其他用户" in error.value.message.text("zh")
    put_secret(file, "x" * 5000)
    with pytest.raises(TokenUnusable, match="over 4096 bytes; a token has at most 256 characters"):
        InboxSettings().token()


def test_a_missing_token_file_and_two_settings_at_once_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN_FILE", str(tmp_path / "absent"))
    with pytest.raises(TokenUnusable, match=r"absent cannot be read: no such file"):
        InboxSettings().token()
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", INBOX_TOKEN)
    with pytest.raises(TokenUnusable, match="exclude each other"):
        InboxSettings().token()
