"""The application: what it offers, and that nothing but the inbox writes."""

import gzip
import re

import pytest
from sqlalchemy import Engine

from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import RICH, get
from tests.web.served import served
from web.pages.render import STYLE_PATH


def test_only_the_inbox_takes_anything_but_get(engine: Engine) -> None:
    with served(engine) as web:
        described = web.ask("GET", "/openapi.json").json["paths"]
        assert {path for path, methods in described.items() if set(methods) - {"get", "head"}} == {"/inbox"}
        assert {web.ask(method, "/inbox").status for method in ("PUT", "DELETE", "OPTIONS")} == {405}


def test_every_answer_of_the_inbox_is_described(engine: Engine) -> None:
    with served(engine) as web:
        responses = web.ask("GET", "/openapi.json").json["paths"]["/inbox"]["post"]["responses"]
    assert {"200", "400", "401", "403", "408", "413", "415", "429", "503"} <= set(responses)


def test_there_is_a_page_an_api_feeds_and_monitoring_but_no_interactive_documentation(engine: Engine) -> None:
    with served(engine) as web:
        paths = ("/", "/api/v1/posts", "/feeds/posts.atom", "/livez", "/readyz", "/metrics", "/inbox")
        assert {path: web.ask("GET", path).status for path in paths} == dict.fromkeys(paths, 200)
        assert {web.ask("GET", path).status for path in ("/docs", "/redoc")} == {404}


@pytest.mark.parametrize("path", ["/", "/feeds/posts.atom", "/feeds/posts.json", "/api/v1/posts", STYLE_PATH])
def test_texts_are_compressed_for_clients_that_can_read_them(site: SeededSite, path: str) -> None:
    plain, packed = get(site, path), get(site, path, Accept_Encoding="gzip, br")
    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    if tag := packed.headers["ETag"]:
        assert get(site, path, Accept_Encoding="gzip", If_None_Match=tag).status == 304


def test_what_is_compressed_already_is_sent_as_it_is(site: SeededSite) -> None:
    image = re.search(r'src="(/files/[0-9a-f]{64})"', get(site, RICH).body.decode())
    assert image
    capture = re.search(r'"/api/v1/captures/\d+/body"', get(site, f"{RICH}/captures").body.decode())
    assert capture
    for path in (image[1], "/downloads/posts.xlsx?until=2024", capture[0].strip('"')):
        answer = get(site, path, Accept_Encoding="gzip")
        assert answer.status == 200
        assert answer.headers["Content-Encoding"] is None
        assert int(answer.headers["Content-Length"]) == len(answer.body)
