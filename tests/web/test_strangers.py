"""Strangers before the door: slow, idle, under a false name, or asking for too much at once."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network

import pytest
from sqlalchemy import Engine
from starlette.datastructures import Headers

from archive.db.engine import transaction
from archive.domain.errors import TokenUnusable
from archive.ingest.pages import import_records
from archive.repository import post_queries
from tests.archive.making import NOW, record
from tests.web.served import BEARER, PATIENCE, TOKEN, Served, served
from web.auth import Access, ReadingSettings
from web.inbox.submission import MOST_OF_ONE
from web.middleware import HANDS
from web.pages.render import Visit
from web.server import HeaderTimeoutProtocol

PROXIES = (ip_network("127.0.0.0/8"),)
LINK = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


@contextmanager
def sending(web: Served, number: int, *headers: str) -> Iterator[list[socket.socket]]:
    """So many POSTs to the inbox whose bodies do not come, each received by the server."""
    head = ["POST /inbox HTTP/1.1", "Host: 127.0.0.1", "Content-Type: text/plain", "Content-Length: 99"]
    sent = "\r\n".join([*head, *headers, "", "x"]).encode()
    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", web.port), PATIENCE))
            client.sendall(sent)
            clients.append(client)
        yield clients


def test_who_sends_a_body_slowly_takes_no_readers_turn(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.middleware.HAND_WAIT", 0.1)
    monkeypatch.setattr("web.inbox.routes.BODY_SECONDS", PATIENCE)
    monkeypatch.setattr("web.inbox.routes.MOST_OF_ONE", 1000)
    monkeypatch.setattr("web.inbox.routes.MOST_UNSIGNED", 1000)
    with served(engine) as web, sending(web, 3 * HANDS):
        assert web.ask("GET", "/api/v1/posts").status == 200
        assert web.post(LINK).status == 200


def test_a_wrong_token_is_refused_before_the_body_comes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.inbox.routes.BODY_SECONDS", PATIENCE)
    with served(engine) as web, sending(web, 1, "Authorization: Bearer another-token-0c4d") as (client,):
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_of_one_client_few_bodies_are_waited_for_and_others_are_served(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.inbox.routes.BODY_SECONDS", PATIENCE)
    body = json.dumps({"url": LINK, "token": TOKEN})
    with served(engine, access=Access(proxies=PROXIES)) as web:
        with sending(web, MOST_OF_ONE + 1) as clients:
            assert clients[-1].recv(65536).startswith(b"HTTP/1.1 503 ")
            assert web.post(body, "application/json", token="").status == 503
            assert web.post(body, "application/json", token="", X_Forwarded_For="192.0.2.7").status == 200
            assert web.post(LINK).status == 200
        for _ in range(PATIENCE * 100):  # until the server has seen that they are gone
            if web.post(body, "application/json", token="").status == 200:
                break
        else:
            pytest.fail("their places are not given back")


class Crowded(HeaderTimeoutProtocol):
    """Few may be idle."""

    most_idle = 20


def test_idle_connections_make_room_for_who_asks(engine: Engine) -> None:
    with (
        served(engine, protocol=Crowded, at_once=30) as web,
        ExitStack() as stack,
    ):
        address = ("127.0.0.1", web.port)
        for number in range(60):
            client = stack.enter_context(socket.create_connection(address, PATIENCE))
            client.sendall((b"", b"GET / HTTP/1.1\r\n")[number % 2])
        assert web.ask("GET", "/livez").status == 200
        assert web.ask("GET", "/api/v1/posts").status == 200


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["198.51.100.7", "203.0.113.9"], "203.0.113.9"),
        (["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9", "nobody"], "10.1.2.3"),
        ([], "10.1.2.3"),
    ],
)
def test_of_two_lines_of_a_proxy_the_last_counts(lines: list[str], client: str) -> None:
    access = Access(proxies=(ip_network("10.0.0.0/8"),))
    headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in lines])
    assert access.client("10.1.2.3", headers) == client
    assert access.client("192.0.2.1", headers) == "192.0.2.1"
    schemes = Headers(raw=[(b"x-forwarded-proto", one) for one in (b"https", b"http")])
    assert access.scheme("10.1.2.3", schemes, "ftp") == "http"


def test_a_user_is_believed_of_a_trusted_proxy_and_only_when_named_once(engine: Engine) -> None:
    for proxies, status in ((PROXIES, 200), ((ip_network("10.0.0.0/8"),), 401)):
        with served(engine, access=Access(user_header="X-Forwarded-User", proxies=proxies)) as web:
            assert web.ask("GET", "/metrics").status == 401
            assert web.ask("GET", "/metrics", X_Forwarded_User="somebody").status == status
    twice = Headers(raw=[(b"x-forwarded-user", b"somebody"), (b"x-forwarded-user", b"root")])
    assert not Access(user_header="X-Forwarded-User", proxies=PROXIES).admits("127.0.0.1", twice)


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/posts", "/feeds/posts.atom", "/metrics", "/inbox", "/openapi.json"]
)
def test_an_open_room_answers_to_its_own_names_alone(engine: Engine, path: str) -> None:
    with served(engine, access=Access(hosts=HOSTS)) as web:
        for host in ("127.0.0.1", f"127.0.0.1:{web.port}", "LOCALHOST:1", "localhost.", f"[::1]:{web.port}"):
            assert web.ask("GET", path, Host=host).status == 200, host
        for host in (
            "evil.test",
            "evil.test:8000",
            "127.0.0.1.evil.test",
            "localhost@evil.test",
            "[::2]",
            "",
        ):
            assert web.ask("GET", path, Host=host).status == 421, host
        assert web.ask("GET", "/livez", Host="evil.test").status == 200


def test_a_link_of_an_open_room_is_not_filed_from_elsewhere(engine: Engine) -> None:
    with served(engine, access=Access(hosts=HOSTS)) as web:
        assert web.post(LINK, Host="evil.test").status == 421
        assert web.ask("POST", "/inbox", LINK.encode(), Content_Type="text/plain", **BEARER).status == 200


def test_further_names_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_SERVED_HOSTS", "archive.example, Reading.example")
    assert ReadingSettings().hosts("::1") == HOSTS | {"archive.example", "reading.example"}
    monkeypatch.setenv("MPARCHIVE_SERVED_HOSTS", "http://archive.example/")
    with pytest.raises(TokenUnusable, match="MPARCHIVE_SERVED_HOSTS"):
        ReadingSettings().hosts("localhost")


def test_pages_of_long_texts_hold_fewer_posts_and_all_of_them_come(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_queries, "MOST_TEXT", 10_000)
    long = [record(n, text="合成" * 1000) for n in range(5)]  # 6 kB each
    with transaction(engine) as session:
        import_records(session, None, long, "dump", NOW)
    with served(engine) as web:
        for first in (
            "/api/v1/posts?representation=dump",
            "/feeds/posts.json",
            "/feeds/posts.json?q=%E5%90%88%E6%88%90",
        ):
            path, pages, posts = first, 0, 0
            while path:
                got = web.ask("GET", path)
                assert got.status == 200
                items = got.json if isinstance(got.json, list) else got.json["items"]
                assert len(items) == 1
                pages, posts = pages + 1, posts + len(items)
                following = got.headers.get("Link") or ""
                path = following.partition("<")[2].partition(">")[0]
                if not isinstance(got.json, list):
                    path = got.json.get("next_url", "").removeprefix(web.origin)
            assert (pages, posts) == (5, 5)
        assert len(web.ask("GET", "/api/v1/posts").json["posts"]) == 5


@pytest.mark.parametrize("path", ["//evil.test/x", "///evil.test", "//evil.test", "/%2F/evil.test"])
def test_no_link_leads_to_another_host(engine: Engine, path: str) -> None:
    visit = Visit(path, {}, "en", None)
    assert not visit.here(lang="zh").startswith("//")
    with served(engine) as web:
        assert b'href="//' not in web.ask("GET", path, Accept="text/html").body
