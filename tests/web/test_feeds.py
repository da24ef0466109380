"""Feeds are valid by the rules of their formats, complete, and cached."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import feedparser
import jsonschema  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records
from archive.repository import post_queries
from archive.repository.runs import finish_run, start_run
from mparchive.commands.verify import VerifyOptions, verify
from mparchive.errors import Exit
from tests.archive.integrity.checks.forgeries import rewrite_chains
from tests.archive.making import BIZ, NOW, article, record
from tests.archive.reports.test_changes import fetch
from tests.standin.media import picture
from tests.web.conftest import SeededSite
from tests.web.seeding import NAME
from tests.web.served import Answer, Served, served
from web.feeds import FEED_ENTRIES
from web.http_cache import http_date

MANY = FEED_ENTRIES + 5
ODD = record(
    MANY, title="逗号, & <b>粗</b>\x0b\x1f", text="&lt;script&gt;一&amp;二\r\r  \r第二段&nbsp;😀\x00\r"
)
ATOM = "{http://www.w3.org/2005/Atom}"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
# The MUSTs of https://www.jsonfeed.org/version/1.1/, as far as they concern what is sent here.
JSON_FEED = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": {"type": "string", "minLength": 1},
        "home_page_url": {"type": "string", "format": "uri"},
        "feed_url": {"type": "string", "format": "uri"},
        "next_url": {"type": "string", "format": "uri"},
        "language": {"type": "string"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "anyOf": [{"required": ["content_html"]}, {"required": ["content_text"]}],
                "properties": {
                    "id": {"type": "string", "minLength": 1},
                    "url": {"type": "string", "pattern": "^http"},
                    "external_url": {"type": "string", "pattern": "^http"},
                    "date_published": {"type": "string", "pattern": RFC3339.pattern},
                    "date_modified": {"type": "string", "pattern": RFC3339.pattern},
                    "authors": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def web(module_engine: Engine) -> Iterator[Served]:
    """One archive for all, with more posts than a feed has entries."""
    with transaction(module_engine) as session:
        import_records(session, None, [*(record(n) for n in range(1, MANY)), ODD], "dump", NOW)
    with served(module_engine) as client:
        yield client


def check_atom(document: bytes) -> Element:
    """Check the MUSTs of RFC 4287, section 4, as far as they concern what is sent here."""
    root = ElementTree.fromstring(document)
    assert root.tag == f"{ATOM}feed"
    whole = [root, *root.findall(f"{ATOM}entry")]
    for element in whole:
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{name}")) == 1
        assert urlsplit(element.findtext(f"{ATOM}id")).scheme
        assert RFC3339.fullmatch(element.findtext(f"{ATOM}updated") or "")
        links = [(one.get("rel"), one.get("type")) for one in element.findall(f"{ATOM}link")]
        assert len(links) == len(set(links))
    assert [one.get("rel") for one in root.findall(f"{ATOM}link")].count("self") == 1
    assert all(entry.find(f"{ATOM}author/{ATOM}name") is not None for entry in whole[1:]) or whole == [root]
    assert len({entry.findtext(f"{ATOM}id") for entry in whole[1:]}) == len(whole) - 1
    return root


def check_json(document: Any) -> Any:
    jsonschema.validate(document, JSON_FEED, format_checker=jsonschema.FormatChecker())
    assert len({item["id"] for item in document["items"]}) == len(document["items"])
    for item in document["items"]:
        datetime.fromisoformat(item["date_published"])
    return document


def ask(web: Served, path: str, known: str = "") -> Answer:
    answer = web.ask("GET", path, If_None_Match=known)
    assert answer.status == 200
    return answer


@pytest.mark.slow
def test_atom_is_valid_and_a_feed_reader_reads_it(web: Served) -> None:
    answer = ask(web, f"/feeds/posts.atom?account={quote(BIZ)}")
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    check_atom(answer.body)
    read = feedparser.parse(answer.body)
    assert not read.bozo
    assert len(read.entries) == FEED_ENTRIES
    first = read.entries[0]
    assert first.title == "逗号, & <b>粗</b>"
    assert first.content[0].value == "<p>&lt;script&gt;一&amp;二</p><p>第二段\xa0😀\ufffd</p>"
    assert first.link.endswith(f"/posts/{BIZ}/{ODD.aid}")
    assert first.id == f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid={1000 + MANY}&idx=1"


@pytest.mark.parametrize("title", ["", " \u3000", "\u200b\u2060", "\u3164", "\u202e", "\x01"])
def test_an_invisible_title_is_replaced(title: str, engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [replace(record(1), title=title)], "dump", NOW)
    with served(engine) as client:
        assert feedparser.parse(ask(client, "/feeds/posts.atom").body).entries[0].title == record(1).aid
        assert "(untitled)</a>" in client.ask("GET", "/?lang=en").body.decode()


def test_json_feed_is_valid_and_equals_atom(web: Served) -> None:
    answer = ask(web, "/feeds/posts.json")
    assert answer.headers["Content-Type"].startswith("application/feed+json")
    items = check_json(answer.json)["items"]
    entries = feedparser.parse(ask(web, "/feeds/posts.atom").body).entries
    assert [item["id"] for item in items] == [entry.id for entry in entries]
    assert [item["content_html"] for item in items][1:] == [entry.content[0].value for entry in entries][1:]


@pytest.mark.slow
def test_rss_is_read_by_a_feed_reader_and_equals_atom(web: Served) -> None:
    answer = ask(web, "/feeds/posts.rss")
    assert answer.headers["Content-Type"].startswith("application/rss+xml")
    read = feedparser.parse(answer.body)
    assert not read.bozo
    assert read.version == "rss20"
    atom = feedparser.parse(ask(web, "/feeds/posts.atom").body)
    names = ("id", "title", "link", "author", "published_parsed", "updated_parsed")
    assert [[entry[name] for name in names] for entry in read.entries] == [
        [entry[name] for name in names] for entry in atom.entries
    ]
    assert [one.content[0].value for one in read.entries] == [one.content[0].value for one in atom.entries]
    following = [link.href for link in read.feed.links if link.rel == "next"]
    assert len(feedparser.parse(ask(web, following[0].partition(web.origin)[2]).body).entries) == MANY - 50
    changes = feedparser.parse(ask(web, "/feeds/changes.rss?kind=new&lang=en").body)
    assert changes.entries[0].title.startswith("[new] ")
    empty = ElementTree.fromstring(ask(web, "/feeds/posts.rss?account=nobody").body)
    assert all(empty.findtext(f"channel/{name}") for name in ("title", "link", "description"))


@pytest.mark.slow
def test_the_list_of_feeds_has_each_account_with_an_address_that_is_its_feed(site: SeededSite) -> None:
    web = site.web
    answer = ask(web, "/feeds/accounts.opml?lang=en")
    outlines = ElementTree.fromstring(answer.body).findall("body/outline")
    titles = [one.get("text") for one in outlines]
    assert titles[:2] == ["mparchive", "mparchive · Changes"]
    assert {"示例账号", NAME} <= set(titles)
    for one in outlines:
        feed = feedparser.parse(ask(web, (one.get("xmlUrl") or "").removeprefix(web.origin)).body)
        assert feed.entries
        assert one.get("text") in feed.feed.title or "q=" in (one.get("xmlUrl") or "")
        assert ask(web, (one.get("htmlUrl") or "").removeprefix(web.origin))
    assert web.ask("GET", "/feeds/accounts.opml?lang=en", If_None_Match=answer.headers["ETag"]).status == 304
    assert "accounts.opml" in web.ask("GET", "/accounts").body.decode()


def test_entries_have_the_picture_of_their_post_in_every_format(site: SeededSite) -> None:
    path = f"/feeds/posts.{{}}?account={quote(NAME)}"
    items = check_json(ask(site.web, path.format("json")).json)["items"]
    images = {item["id"]: item.get("image") for item in items}
    assert any(images.values())
    for ending in ("atom", "rss"):
        entries = feedparser.parse(ask(site.web, path.format(ending)).body).entries
        assert {entry.id: next((one.href for one in entry.enclosures), None) for entry in entries} == images
    (shown,) = [item for item in items if item["id"].endswith("mid=2650000101&idx=1")]
    (file,) = shown["attachments"]
    image = ask(site.web, shown["image"].removeprefix(site.web.origin))
    assert image.headers["Content-Type"] == file["mime_type"]
    assert len(image.body) == file["size_in_bytes"]
    assert image.body.startswith(picture("x")[:8])
    assert shown["content_html"].startswith(f'<p><img src="{shown["image"]}" alt=""></p>')


@pytest.mark.slow
def test_a_client_that_sends_a_date_gets_a_feed_only_if_it_is_newer(web: Served) -> None:
    first = ask(web, "/feeds/posts.rss")
    changed = first.headers["Last-Modified"]
    assert web.ask("GET", "/feeds/posts.rss", If_Modified_Since=changed).status == 304
    later = http_date(datetime.strptime(changed, "%a, %d %b %Y %H:%M:%S %Z").astimezone() + timedelta(days=9))
    assert web.ask("GET", "/feeds/posts.rss", If_Modified_Since=later).status == 304
    for other in ("Sat, 01 Jan 2011 00:00:00 GMT", "yesterday", ""):
        assert web.ask("GET", "/feeds/posts.rss", If_Modified_Since=other).status == 200
    known = {"If_Modified_Since": changed, "If_None_Match": '"other"'}  # the tag counts, as RFC 9110 says
    assert web.ask("GET", "/feeds/posts.rss", **known).status == 200


@pytest.mark.parametrize("ending", ["atom", "rss", "json"])
def test_the_next_page_has_the_rest(ending: str, web: Served) -> None:
    first = feedparser.parse(ask(web, "/feeds/posts.atom").body)
    (following,) = [link.href for link in first.feed.links if link.rel == "next"]
    path = following.partition(web.origin)[2].replace("posts.atom", f"posts.{ending}")
    answer = ask(web, path)
    count = (
        len(check_json(answer.json)["items"])
        if ending == "json"
        else len(feedparser.parse(answer.body).entries)
    )
    assert count == MANY - FEED_ENTRIES


def test_a_search_is_a_feed(web: Served) -> None:
    items = check_json(ask(web, f"/feeds/posts.json?q={quote('第二段😀')}").json)["items"]
    assert items == []  # in the text there is a space between
    (item,) = check_json(ask(web, f"/feeds/posts.json?q={quote('逗号 粗')}").json)["items"]
    assert item["url"].endswith(ODD.aid)
    assert (
        feedparser.parse(ask(web, f"/feeds/posts.atom?q={quote('逗号')}").body).feed.title
        == "mparchive · 逗号"
    )
    assert web.ask("GET", "/feeds/posts.atom?q=-xyzzyx").status == 400


@pytest.mark.parametrize("ending", ["atom", "json"])
def test_a_feed_without_posts_is_valid(ending: str, web: Served) -> None:
    answer = ask(web, f"/feeds/posts.{ending}?account=nobody%0b%00&kind=video")
    if ending == "json":
        assert check_json(answer.json)["items"] == []
    else:
        check_atom(answer.body)


@pytest.mark.parametrize("ending", ["atom", "json"])
def test_an_unchanged_feed_is_answered_with_304(ending: str, web: Served, module_engine: Engine) -> None:
    path = f"/feeds/posts.{ending}"
    first = ask(web, path)
    assert first.headers["Last-Modified"].endswith("GMT")
    again = web.ask("GET", path, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    with transaction(module_engine) as session:
        edited = record(MANY - 1, text=f"改过的{ending}\r")
        import_records(session, None, [edited], "dump", NOW)
    assert ask(web, path, first.headers["ETag"]).headers["ETag"] != first.headers["ETag"]


def test_a_tampered_cursor_is_refused(web: Served) -> None:
    assert web.ask("GET", "/feeds/posts.atom?after=x").status == 400
    assert web.ask("GET", "/feeds/posts.json?kind=nothing").status == 422


@pytest.mark.parametrize(
    "first",
    [
        "/api/v1/posts?representation=dump",
        "/feeds/posts.json",
        "/feeds/posts.json?q=%E5%90%88%E6%88%90",
    ],
)
def test_pages_of_long_texts_have_fewer_posts_and_all_of_them_come(
    first: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_queries, "MOST_TEXT", 10_000)
    long = [record(number, text="合成" * 1000) for number in range(5)]  # 6 kB each
    with transaction(engine) as session:
        import_records(session, None, long, "dump", NOW)
    with served(engine) as web:
        path, pages = first, 0
        while path:
            answer = web.ask("GET", path)
            assert answer.status == 200
            is_feed = not isinstance(answer.json, list)
            assert len(answer.json["items"] if is_feed else answer.json) == 1
            pages += 1
            following = (answer.headers.get("Link") or "").partition("<")[2].partition(">")[0]
            path = answer.json.get("next_url", "").removeprefix(web.origin) if is_feed else following
        assert pages == 5
        assert len(web.ask("GET", "/api/v1/posts").json["posts"]) == 5  # without their texts


def test_a_feed_of_changes_is_valid_and_leads_to_what_changed(web: Served) -> None:
    read = feedparser.parse(check_and_read(web, "/feeds/changes.atom?kind=new"))
    assert not read.bozo
    assert len(read.entries) == FEED_ENTRIES
    items = check_json(ask(web, "/feeds/changes.json?kind=new").json)["items"]
    assert [item["id"] for item in items] == [entry.id for entry in read.entries]
    assert items[0]["tags"] == ["new"]
    assert items[0]["title"].startswith("[新增] ")
    assert f"/posts/{BIZ}/" in items[0]["url"]
    english = check_json(ask(web, "/feeds/changes.json?lang=en&kind=new").json)["items"]
    assert english[0]["title"].startswith("[new] ")
    assert english[0]["content_html"].endswith(" characters</p>")


def check_and_read(web: Served, path: str) -> bytes:
    answer = ask(web, path)
    check_atom(answer.body)
    return answer.body


def test_edits_and_removals_have_entries_of_their_own(engine: Engine) -> None:
    with transaction(engine) as session:
        fetch(session, record(1), article(record(1)), 0)
        fetch(session, record(1), article(record(1, text="改过\r", title="]]>&\x01")), 10)
        fetch(session, record(1), ParsedPage(Outcome.DELETED, reason="已删除"), 20)
    with served(engine) as client:
        removed, edited, new = check_json(ask(client, "/feeds/changes.json").json)["items"]
        entries = feedparser.parse(check_and_read(client, "/feeds/changes.atom")).entries
        (only,) = check_json(ask(client, f"/feeds/changes.json?kind=edited&account={BIZ}").json)["items"]
        assert ask(client, "/feeds/posts.json?changed=edited").json["items"]
        assert not ask(client, "/feeds/posts.json?changed=restored").json["items"]
    assert [entry.id for entry in entries] == [removed["id"], edited["id"], new["id"]]
    assert only["id"] == edited["id"]
    assert only["url"].endswith(f"/posts/{BIZ}/1001_1/history?before=1&after=2")
    assert edited["title"].startswith("[修改] ]]>&")
    assert "已删除" in removed["content_html"]


@pytest.mark.parametrize("ending", ["atom", "rss", "json"])
def test_whoever_followed_a_feed_finds_an_archive_that_was_rewritten(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """An administrator changes a post, and writes its chain and the recorded heads anew to fit."""
    with transaction(engine) as session:
        run_id = start_run(session, "backfill", {}, NOW)
        import_records(session, run_id, [record(1), record(2)], "dump", NOW)
        finish_run(session, run_id, "done", {}, NOW)
    with served(engine) as web:
        (tmp_path / "feed").write_bytes(web.ask("GET", f"/feeds/posts.{ending}").body)
        (tmp_path / "heads").write_bytes(web.ask("GET", "/api/v1/heads").body)
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path))
    options = [VerifyOptions(head=tmp_path / name) for name in ("feed", "heads")]
    assert [verify(one) for one in options] == [Exit.DONE, Exit.DONE]
    with transaction(engine) as session:
        session.execute(text("UPDATE posts SET url = 'http://mp.weixin.qq.com/forged' WHERE idx = 1"))
        rewrite_chains(session)
    assert verify(VerifyOptions()) is Exit.DONE  # alone the archive is consistent
    assert [verify(one) for one in options] == [Exit.INTEGRITY, Exit.INTEGRITY]
