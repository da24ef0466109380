"""Forms for notes: what they store, who may send them, and that nothing noted runs or leaves its place."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.ingest.pages import import_records
from tests.archive.making import BIZ, NOW, record
from tests.web.pages.page_requests import words
from tests.web.served import BEARER, FORM, TOKEN, Answer, Served, served
from web.auth import Access

POST = f"/posts/{BIZ}/1001_1"
HOSTILE = '"><script>window.ran=1</script></textarea><img src=x onerror=alert(1)>'


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    with transaction(engine) as session:
        import_records(
            session, None, [record(1, text="合成正文\r"), record(2, text="合成正文\r")], "dump", NOW
        )
    with served(engine) as client:
        yield client


def send(web: Served, path: str, fields: dict[str, str], **headers: str) -> Answer:
    return web.ask("POST", path, urlencode(fields).encode(), **{"Content_Type": FORM, **headers})


def test_a_star_tags_and_a_note_are_stored_shown_and_found(web: Served) -> None:
    answer = send(
        web, f"{POST}/note", {"starred": "1", "tags": "政策, 重要", "note": "一\r\n二", "lang": "en"}
    )
    assert (answer.status, answer.headers["location"]) == (303, f"{POST}?lang=en")
    page = web.ask("GET", f"{POST}?lang=en").body.decode()
    assert 'name="starred" value="1" checked' in page
    assert 'value="政策, 重要"' in page
    assert ">\n一\n二</textarea>" in page
    assert "★" in web.ask("GET", "/").body.decode()
    for words_, count in (("tag:政策", 1), ("is:starred", 1), ("tag:别的", 0), ("合成 tag:重要", 1)):
        found = web.ask("GET", f"/search?q={quote(words_)}").body.decode()
        assert found.count('<article class="hit">') == count, words_
        assert len(web.ask("GET", f"/feeds/posts.json?q={quote(words_)}").json["items"]) == count, words_
        assert len(web.ask("GET", f"/api/v1/search?q={quote(words_)}").json["hits"]) == count, words_
    listed = words(web.ask("GET", "/notes?lang=en"))
    assert "Starred 1" in listed
    assert "政策 1" in listed
    assert "标题" in listed
    assert send(web, f"{POST}/note", {}).status == 303
    assert "Nothing is noted yet" in words(web.ask("GET", "/notes?lang=en"))


def test_what_is_noted_is_escaped_wherever_it_is_shown(web: Served) -> None:
    assert send(web, f"{POST}/note", {"tags": HOSTILE[:40], "note": HOSTILE}).status == 303
    assert send(web, "/searches", {"name": HOSTILE, "q": HOSTILE}).status == 303
    for path in (POST, "/notes", "/", f"/search?q={quote('合成')}"):
        page = web.ask("GET", path).body.decode()
        assert "<script>window" not in page, path
        assert "<img src=x" not in page, path
    assert HOSTILE in unescape(web.ask("GET", "/notes").body.decode())


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_a_form_of_another_site_stores_nothing(web: Served, headers: dict[str, str]) -> None:
    for path in (f"{POST}/note", "/searches", "/searches/1/remove"):
        answer = send(web, path, {"starred": "1", "name": "a", "q": "b"}, **headers)
        assert answer.status == 403
        assert "came from another site" in words(answer)
    assert "Nothing is noted yet" in words(web.ask("GET", "/notes"))
    own = {"Origin": web.origin}
    assert send(web, f"{POST}/note", {"starred": "1"}, **own).status == 303
    assert send(web, f"{POST}/note", {"starred": "1"}, Sec_Fetch_Site="same-origin", **own).status == 303


def test_where_reading_needs_a_token_so_does_noting(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1)], "dump", NOW)
    with served(engine, access=Access(TOKEN)) as web:
        assert send(web, f"{POST}/note", {"starred": "1"}).status == 401
        assert send(web, f"{POST}/note", {"starred": "1"}, Authorization="Bearer wrong").status == 401
        assert "Nothing is noted yet" in words(web.ask("GET", "/notes", **BEARER))
        assert send(web, f"{POST}/note", {"starred": "1"}, **BEARER).status == 303
        assert "Starred 1" in words(web.ask("GET", "/notes", **BEARER))


def test_what_cannot_be_stored_is_refused_with_a_sentence(web: Served) -> None:
    refused = {
        "5,001 characters": send(web, f"{POST}/note", {"note": "x" * 5001}),
        "at most 50": send(web, f"{POST}/note", {"tags": "x" * 51}),
        "cannot be read": web.ask("POST", f"{POST}/note", b"{}", Content_Type="application/json"),
        "65536": send(web, f"{POST}/note", {"note": "x" * 70_000}),
        "needs a name": send(web, "/searches", {"name": " ", "q": "x"}),
        "form cannot be read": send(web, f"{POST}/note", {f"field{number}": "1" for number in range(30)}),
    }
    for sentence, answer in refused.items():
        assert answer.status == 400, sentence
        assert sentence.replace(",", "") in words(answer).replace(",", ""), sentence
    assert send(web, f"/posts/{BIZ}/9_1/note", {"starred": "1"}).status == 404
    assert send(web, "/searches/99/remove", {}).status == 404
    assert web.ask("GET", f"{POST}/note").status == 405
    assert "Nothing is noted yet" in words(web.ask("GET", "/notes"))


def test_a_saved_search_leads_to_its_hits_and_its_feed(web: Served) -> None:
    page = web.ask("GET", f"/search?q={quote('合成')}&since=2026&lang=en").body.decode()
    form = page[page.index('action="/searches"') :]
    fields = dict(
        re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[: form.index("</form>")])
    )
    assert fields == {"lang": "en", "q": "合成", "since": "2026"}
    assert send(web, "/searches", {**fields, "name": "我的搜索"}).headers["location"] == "/notes?lang=en"
    listed = web.ask("GET", "/notes?lang=en").body.decode()
    (search, feed) = re.findall(r'<p><a href="([^"]+)">我的搜索</a> · <a href="([^"]+)">Feed', listed)[0]
    assert web.ask("GET", unescape(search)).body.decode().count('<article class="hit">') == 2
    assert web.ask("GET", unescape(feed)).body.count(b"<entry>") == 2
    outlines = ElementTree.fromstring(web.ask("GET", "/feeds/accounts.opml").body).findall("body/outline")
    (saved,) = [one for one in outlines if one.get("text") == "我的搜索"]
    for name in ("xmlUrl", "htmlUrl"):
        assert "合成" in web.ask("GET", (saved.get(name) or "").removeprefix(web.origin)).body.decode()
    (remove,) = re.findall(r'action="(/searches/\d+/remove)"', listed)
    assert send(web, remove, {"lang": "en"}).status == 303
    assert "我的搜索" not in web.ask("GET", "/notes").body.decode()


def test_a_tag_that_looks_like_an_aid_is_a_tag(web: Served) -> None:
    assert send(web, f"{POST}/note", {"tags": "1002_1"}).status == 303
    found = web.ask("GET", f"/search?q={quote('tag:1002_1')}")
    assert found.status == 200
    assert f'href="{POST}"' in found.body.decode()
