"""The spider of sources in a process of its own, with a source that sends no request."""

import json
from pathlib import Path

import pytest

from tests.crawler import pages
from tests.crawler.crawling import Crawl, Crawler, forked

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"


def discover(crawler: Crawler, account: object, **arguments: str) -> Crawl:
    given = {"account": account if isinstance(account, str) else json.dumps(account), **arguments}
    options = [piece for name, value in given.items() for piece in ("-a", f"{name}={value}")]
    return forked(["crawl", "discover", *options], crawler.environment())


@pytest.fixture
def account(tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "list.txt"
    path.write_text(f"{SHORT}\nnothing here\n")
    return {"biz": pages.BIZ, "name": "合成云屿经信", "addresses_file": str(path)}


def test_what_a_source_lists_is_sighted_and_its_state_stored_by_code(
    crawler: Crawler, account: dict[str, object]
) -> None:
    crawl = discover(crawler, account, only="list")
    assert (crawl.verdict, crawl.counts["new"]) == ("done", 1), crawl.output
    assert crawler.rows("SELECT url FROM addresses") == [(SHORT,)]
    ((state, detail),) = crawler.rows("SELECT state, detail FROM sources")
    assert (state, detail.partition(" ")[0]) == ("ok", "crawler.list.lines_without_post")
    assert "1 line of the list has no address of a post, line 2: “nothing here”" in crawl.output


def test_a_source_that_the_account_has_not_is_named(crawler: Crawler, account: dict[str, object]) -> None:
    crawl = discover(crawler, account, only="album")
    assert (crawl.exit_code, crawl.verdict) == (2, "usage")
    assert "has no source album; it has list, neighbours" in crawl.output


def test_an_account_that_is_none_is_refused(crawler: Crawler) -> None:
    crawl = discover(crawler, "{}")
    assert (crawl.exit_code, crawl.verdict) == (2, "usage")
    assert "-a account= is no account" in crawl.output
