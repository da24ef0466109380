"""Tests that a list, a search and an account are downloaded as they are filtered, within bounds."""

import csv
import io
import json
import re
import sqlite3
from html import unescape
from pathlib import Path

import openpyxl
import pytest

from tests.archive.making import BIZ
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import get
from tests.web.served import Answer
from web import downloads
from web.downloads import FORMATS, ClientDownloads
from web.pages.render import DOWNLOADS

NOVEMBER = "since=2025-11-01&until=2025-11-05"


def aids_of(answer: Answer, ending: str, folder: Path) -> list[str]:
    """Read the aids of a download, each of which is text."""
    match ending:
        case "csv":
            return [row[0] for row in csv.reader(io.StringIO(answer.body.decode("utf-8-sig")))][1:]
        case "jsonl":
            return [json.loads(line)["文章标识符aid"] for line in answer.body.decode().splitlines()]
        case "xlsx":
            book = openpyxl.load_workbook(io.BytesIO(answer.body))
            return [str(row[0].value) for row in book["posts"].iter_rows(min_row=2)]
    (folder / "posts.sqlite").write_bytes(answer.body)
    with sqlite3.connect(folder / "posts.sqlite") as connection:
        rows = connection.execute("SELECT aid FROM posts ORDER BY rowid").fetchall()
    connection.close()
    return [aid for (aid,) in rows]


def links_of(page: Answer) -> dict[str, str]:
    """Return the addresses of a page's downloads by ending."""
    found = re.findall(r'href="([^"]+)" download', page.body.decode())
    return {address.partition("?")[0].rpartition(".")[2]: unescape(address) for address in found}


def wanted(site: SeededSite, query: str) -> list[str]:
    """Return the aids of a filter as the API lists them."""
    listed = site.web.ask("GET", f"/api/v1/posts?limit=100&{query}").json["posts"]
    return [post["aid"] for post in listed]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("page", "query"),
    [
        (f"/?{NOVEMBER}", NOVEMBER),
        (f"/accounts/{BIZ}?{NOVEMBER}&kind=article", f"{NOVEMBER}&kind=article&account={BIZ}"),
        (f"/search?{NOVEMBER}&changed=any", f"{NOVEMBER}&changed=any"),
    ],
)
def test_a_page_offers_what_it_shows_in_every_format(
    site: SeededSite, tmp_path: Path, ending: str, page: str, query: str
) -> None:
    expected = wanted(site, query)
    links = links_of(get(site, page))
    if not expected:
        assert links == {}
        return
    assert list(links) == list(FORMATS) == list(DOWNLOADS)
    answer = site.web.ask("GET", links[ending])
    assert answer.status == 200
    assert answer.headers["Content-Disposition"] == f'attachment; filename="posts.{ending}"'
    assert aids_of(answer, ending, tmp_path) == expected


def test_a_search_is_downloaded_with_its_words(site: SeededSite, tmp_path: Path) -> None:
    hits = site.web.ask("GET", "/api/v1/search?q=合成&limit=100".replace("合成", "%E5%90%88%E6%88%90")).json
    expected = {hit["aid"] for hit in hits["hits"]}
    page = get(site, "/search?q=%E5%90%88%E6%88%90&lang=zh")
    assert "下载：" in page.body.decode()
    answer = site.web.ask("GET", links_of(page)["jsonl"])
    assert expected <= set(aids_of(answer, "jsonl", tmp_path))


def test_the_api_has_the_same_files_and_refuses_bad_parameters(site: SeededSite, tmp_path: Path) -> None:
    answer = site.web.ask("GET", f"/api/v1/posts.xlsx?{NOVEMBER}")
    assert aids_of(answer, "xlsx", tmp_path) == wanted(site, NOVEMBER)
    assert site.web.ask("GET", "/api/v1/posts.xlsx?since=soon").status == 422
    assert site.web.ask("GET", "/api/v1/posts.xlsx?q=-a").status == 400
    assert site.web.ask("GET", "/api/v1/posts.docx").status == 404


def test_more_posts_than_a_download_has_are_refused(
    site: SeededSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MAX_DOWNLOAD_POSTS", 3)
    refused = site.web.ask("GET", "/api/v1/posts.csv")
    assert (refused.status, refused.json["code"]) == (400, "web.download.too_many")
    page = site.web.ask("GET", "/downloads/posts.csv?lang=zh")
    assert page.status == 400
    assert "一次最多下载 3 篇文章" in page.body.decode()
    monkeypatch.setattr(downloads, "MAX_DOWNLOAD_POSTS", 5000)
    assert site.web.ask("GET", "/api/v1/posts.csv").status == 200  # the refused client is counted no longer


def test_a_client_downloads_one_file_at_a_time(site: SeededSite, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = ClientDownloads()
    assert clients.begin("127.0.0.1") is None
    assert str(clients.begin("127.0.0.1")).startswith("another download of yours")
    for number in range(downloads.MAX_DOWNLOADS - 1):
        assert clients.begin(str(number)) is None
    refused = clients.begin("one more")
    assert refused is not None
    assert refused.code == "web.request.busy"
    clients.end("127.0.0.1")
    assert clients.begin("one more") is None
