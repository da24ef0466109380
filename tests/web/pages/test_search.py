"""The search, its counts, and posts by their address."""

import re
from html import unescape
from urllib.parse import quote

import pytest

from archive.domain.addresses import canonical_url
from tests.archive.making import BIZ
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import POST, get, words
from tests.web.seeding import EDITED, daily_records


@pytest.mark.slow
def test_search_marks_hits_and_refuses_what_cannot_be_searched(site: SeededSite) -> None:
    page = get(site, f"/search?q={quote('截止时间')}&lang=en").body.decode()
    assert "<mark>截止时间</mark>" in page
    assert f"{POST}/{EDITED}" in page
    first = get(site, f"/search?q={quote('合成日报')}").body.decode()
    more = unescape(re.findall(r'href="(/search[^"]+)" rel="next"', first)[0])
    hits = r'<h2 lang="zh"><a href="([^"]+)"'
    assert not set(re.findall(hits, first)) & set(re.findall(hits, get(site, more).body.decode()))
    assert "No post contains these words" in words(get(site, "/search?q=xyzzyx"))
    assert get(site, "/search?q=-xyzzyx").status == 400
    assert get(site, "/search?q=x&after=tampered").status == 400
    for anything in ("%00", "%ff%fe", "%F0%9F%98%80", "%3Cscript%3E", "-", quote("😀" * 300)):
        assert get(site, f"/search?q={anything}").status in (200, 400)
    assert 'value="&#34;&gt;&lt;script&gt;"' in get(site, "/search?q=%22%3E%3Cscript%3E").body.decode()


EDITED_MID = EDITED.partition("_")[0]
QUERY = f"__biz={quote(BIZ, safe='=')}&mid={EDITED_MID}&idx=1&sn=5a&chksm=be48&scene=21"
CHALLENGE = (
    f"/mp/wappoc_appmsgcaptcha?poc_token=a&target_url={quote(f'https://mp.weixin.qq.com/s?{QUERY}', safe='')}"
)


@pytest.mark.parametrize(
    "name",
    [EDITED, f"https://mp.weixin.qq.com/s?{QUERY}", f"（MP.weixin.qq.com:443/s/?{QUERY}）", CHALLENGE],
)
def test_the_search_opens_the_post_of_an_address_or_aid(site: SeededSite, name: str) -> None:
    answer = get(site, f"/search?lang=en&q={quote(name, safe='')}")
    assert (answer.status, answer.headers["location"]) == (303, f"{POST}/{EDITED}?lang=en")


@pytest.mark.parametrize(
    "path",
    [
        f"/s?{QUERY}",
        f"/s/?{QUERY}",
        CHALLENGE,
        f"/https://mp.weixin.qq.com/s?{QUERY}",
        f"/http://mp.weixin.qq.com/s?{QUERY}",
    ],
)
def test_a_path_of_wechat_leads_to_the_post(site: SeededSite, path: str) -> None:
    answer = get(site, path)
    assert (answer.status, answer.headers["location"]) == (303, f"{POST}/{EDITED}")


@pytest.mark.parametrize(
    "path", ["/s/abcdefghijklmnopqrstuv", "/s?__biz=MzA1&mid=1&idx=1", "/s?x", "/mp/other"]
)
def test_a_path_of_wechat_without_an_archived_post_is_not_found(site: SeededSite, path: str) -> None:
    answer = get(site, path, **{"Accept-Language": "en"})
    assert answer.status == 404
    assert "mparchive backfill" in words(answer) or "mparchive search" in words(answer)


def test_a_search_for_an_address_that_is_not_archived_says_how_to_fetch_it(site: SeededSite) -> None:
    url = canonical_url(BIZ, "777", "1", "5a")
    answer = get(site, f"/search?lang=en&q={quote(url, safe='')}")
    assert answer.status == 200
    assert "is not in the archive; run `mparchive backfill 'https://mp.weixin.qq.com/s?" in words(answer)


def test_a_search_without_words_lists_what_its_filters_select(site: SeededSite) -> None:
    found = get(site, "/search?q=&since=2024&until=2024&order=relevance&lang=en")
    assert found.body.decode().count('<article class="hit">') == sum(
        one.date < "2025" for one in daily_records()
    )
    assert '<article class="hit">' not in get(site, "/search?q=&since=&lang=en").body.decode()
    assert "No post contains these words" in words(get(site, "/search?account=nobody&lang=en"))


def _facets(site: SeededSite, path: str) -> dict[str, tuple[str, int]]:
    """Return address and number of each link that narrows a search, by its name."""
    page = get(site, path).body.decode()
    found = re.findall(r'<li><a href="([^"]+)"[^>]*>([^<]+)</a> <span class="soft">([\d,]+)</span>', page)
    return {name: (unescape(address), int(count.replace(",", ""))) for address, name, count in found}


@pytest.mark.slow
def test_a_search_is_narrowed_by_links_whose_numbers_hold(site: SeededSite) -> None:
    path = f"/search?q={quote('合成')}&since=2013&lang=en"  # other tests add posts of 2012
    facets = _facets(site, path)
    assert {"示例账号", "2024", "2025", "pictures", "edited", "removed"} <= set(facets)
    for name in ("2024", "pictures", "edited", "removed"):
        address, count = facets[name]
        page = get(site, address).body.decode()
        assert page.count('<article class="hit">') == min(count, 20), name
        total = re.search(r"(\d+) posts?</p>", page)
        assert total
        assert int(total[1]) == count
        (back,) = re.findall(r'<a href="([^"]+)" aria-current="true">' + name, page)
        assert _facets(site, unescape(back)).keys() >= {"示例账号", "pictures"}


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["FEW_HITS", "SMALL_ARCHIVE"])
def test_many_hits_are_counted_when_the_reader_asks(
    site: SeededSite, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    path = f"/search?q={quote('合成')}&since=2013&lang=en"
    counted = _facets(site, path)
    monkeypatch.setattr(f"web.pages.search.{bound}", 1)
    assert _facets(site, path) == {}
    (address,) = re.findall(r'<a href="([^"]+)">Count the posts', get(site, path).body.decode())
    asked = _facets(site, unescape(address))
    assert {name: count for name, (_, count) in asked.items()} == {
        name: count for name, (_, count) in counted.items()
    }


@pytest.mark.slow
def test_hits_over_time_lead_to_those_of_a_month(site: SeededSite) -> None:
    page = get(site, f"/search?q={quote('合成日报')}&since=2024&until=2025&lang=en").body.decode()
    bars = re.findall(
        r'<a href="([^"]+)" tabindex="-1" aria-label="(\d{4}-\d\d), other kinds: (\d+)"><rect', page
    )
    assert [month for _, month, _ in bars][:: len(bars) - 1] == ["2024-05", "2025-11"]
    address, _, count = bars[-1]
    assert f"{count} posts" in words(get(site, unescape(address)))
    assert sum(int(count) for _, _, count in bars) == len(daily_records())
    assert "Hits over time" not in words(get(site, unescape(address)))
    mixed = get(site, f"/search?q={quote('合成')}&since=2025-11&until=2025-12&kind=picture&lang=en")
    assert "Hits over time" not in words(mixed)
    page = get(site, f"/search?q={quote('合成')}&since=2025-09&until=2025-12&lang=en").body.decode()
    parts = re.findall(r'<a href="([^"]+)" tabindex="-1" aria-label="([\d-]+), ([a-z ]+): (\d+)"><rect', page)
    (address, count), *_ = [
        (one, n) for one, month, kind, n in parts if (month, kind) == ("2025-11", "article")
    ]
    assert f"{count} posts" in words(get(site, unescape(address)))
    assert "缩小范围" in get(site, f"/search?q={quote('合成日报')}&lang=zh").body.decode()
