"""Each version has a page of its own, and each post its citations."""

import json
import re
from html import unescape

import pytest
from playwright.sync_api import Browser
from sqlalchemy import Engine

from archive.db.engine import transaction
from tests.archive.making import BIZ, article, record
from tests.archive.reports.test_changes import fetch
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import POST, get, words
from tests.web.seeding import EDITED
from tests.web.served import served

HOSTILE = '</script><script>window.ran=1</script>"><img src=x onerror=alert(1)> {{7*7}}'


def test_a_version_is_shown_whole_with_its_date_hash_and_neighbours(site: SeededSite) -> None:
    first, second = (get(site, f"{POST}/{EDITED}/versions/{number}?lang=en") for number in (1, 2))
    assert "十一月十五日" in words(first)
    assert "十一月二十日" in words(second)
    assert "Captured 2025-11-09 12:00" in words(first)
    assert "Captured 2025-11-20 12:00" in words(second)
    assert re.search("SHA-256 [0-9a-f]{64}", words(first))
    assert f'href="{POST}/{EDITED}/versions/2?lang=en" rel="next"' in first.body.decode()
    assert f'href="{POST}/{EDITED}/versions/1?lang=en" rel="prev"' in second.body.decode()
    for number, status in (("3", 404), ("0", 400), ("x", 400), ("9" * 18, 404)):
        assert get(site, f"{POST}/{EDITED}/versions/{number}").status == status


def test_the_history_leads_to_versions_and_citations(site: SeededSite) -> None:
    page = get(site, f"{POST}/{EDITED}/history").body.decode()
    for path in ("versions/1", "versions/2", "cite?version=1", "cite?version=2"):
        assert f'href="{POST}/{EDITED}/{path}"' in page
        assert get(site, f"{POST}/{EDITED}/{path}").status == 200


def test_citations_are_shown_and_downloaded_in_each_format(site: SeededSite) -> None:
    page = get(site, f"{POST}/{EDITED}/cite?lang=en")
    place = f"{site.web.origin}{POST}/{EDITED}/versions/2"
    assert "示例账号. 关于合成项目的通知[EB/OL]. (2025-11-12)[2025-11-20]. " in words(page)
    assert words(page).count(place) == 1 + 4  # the data for search engines, and the formats
    shown = [unescape(text) for text in re.findall(r"<pre[^>]*>(.*?)</pre>", page.body.decode(), re.DOTALL)]
    for form, text, kind, ending in zip(
        ("gbt7714", "bibtex", "ris", "csl-json"),
        shown,
        ("text/plain", "application/x-bibtex", "application/x-research-info-systems", "application/vnd."),
        ("txt", "bib", "ris", "json"),
        strict=True,
    ):
        answer = get(site, f"{POST}/{EDITED}/cite/{form}")
        assert answer.headers["Content-Type"].startswith(kind)
        assert answer.headers["Content-Disposition"].endswith(f'-{EDITED}-v2.{ending}"')
        assert answer.body.decode() == text
    older = get(site, f"{POST}/{EDITED}/cite/csl-json?version=1").json
    assert older[0]["version"] == "1"
    for path, status in (
        ("cite/apa", 400),
        ("cite?version=3", 404),
        ("cite?version=x", 400),
        ("cite?version=", 200),
    ):
        assert get(site, f"{POST}/{EDITED}/{path}").status == status


def test_a_post_tells_reference_managers_what_it_is(site: SeededSite) -> None:
    answer = get(site, f"{POST}/{EDITED}")
    page = answer.body.decode()
    tags = dict(re.findall(r'<meta name="([^"]+)" content="([^"]*)">', page))
    assert tags["citation_title"] == tags["DC.title"] == "关于合成项目的通知"
    assert tags["citation_publication_date"] == "2025/11/12"
    (data,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    assert json.loads(data)["archivedAt"] == f"{site.web.origin}{POST}/{EDITED}/versions/2"
    assert answer.headers["Content-Security-Policy"].endswith("script-src 'self'")  # data is no script


@pytest.fixture
def hostile(engine: Engine) -> Engine:
    with transaction(engine) as session:
        fetch(session, record(1), article(record(1, title=HOSTILE)), 0)
    return engine


def test_a_hostile_title_stays_text_and_the_set_address_is_cited(hostile: Engine) -> None:
    with served(hostile, origin="https://archive.example") as client:
        for path in ("", "/cite", "/versions/1"):
            page = client.ask("GET", f"/posts/{BIZ}/1001_1{path}").body.decode()
            assert page.count("<script") == page.count("</script>") == 2  # data, and our own file
            assert "<img" not in page
            (data,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
            assert json.loads(data)["headline"] == HOSTILE
            assert json.loads(data)["archivedAt"] == f"https://archive.example/posts/{BIZ}/1001_1/versions/1"


def test_a_script_of_data_runs_nothing_and_breaks_no_policy(hostile: Engine, chromium: Browser) -> None:
    said: list[str] = []
    with served(hostile) as client:
        page = chromium.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{client.origin}/posts/{BIZ}/1001_1")
        assert page.evaluate("window.ran") is None
        assert page.locator("script:not([src])").count() == 1
        page.close()
    assert said == []
