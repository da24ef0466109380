"""The stream with its filters, and the changes."""

import re
from html import unescape
from urllib.parse import quote

from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import ACCOUNT, POST, get, words
from tests.web.seeding import DELETED, EDITED, daily_records


def test_the_stream_shows_pushes_by_day_and_pages_through_every_post_once(site: SeededSite) -> None:
    # other tests add posts of 2012
    path, seen, pages = f"{ACCOUNT}?since=2013-01-01&until=2025-11-10&lang=en", [], 0
    while path:
        page = get(site, path).body.decode()
        seen += re.findall(rf'href="{POST}/([0-9_]+)\?lang=en"', page)
        pages += 1
        more = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(more[1]) if more else ""
    assert pages > 2
    assert len(seen) == len(set(seen)) == len(daily_records())
    days = re.findall(r'datetime="(2025-11-0\d)"', get(site, f"{ACCOUNT}?until=2025-11-05").body.decode())
    assert days == sorted(days, reverse=True)


def test_filters_select_posts_and_wrong_ones_are_refused(site: SeededSite) -> None:
    pictures = get(site, "/?kind=picture&account=&since=&until=").body.decode()
    assert 'kind">pictures' in pictures
    assert 'kind">article' not in pictures
    assert "No posts match" in words(get(site, "/?account=nobody&lang=en"))
    for bad in ("?until=yesterday", "?kind=letter", "?after=zzz", f"?account={'x' * 201}", "?after=%00"):
        answer = get(site, f"/{bad}")
        assert answer.status == 400, bad
        assert "Invalid request" in words(answer)


def test_changes_are_listed_with_links_to_what_changed(site: SeededSite) -> None:
    page = get(site, "/changes?kind=edited&lang=en")
    listed = re.findall(r'<a href="([^"]+)" lang="zh">', page.body.decode())
    assert unescape(listed[0]) == f"{POST}/{EDITED}/history?lang=en&before=1&after=2"
    assert get(site, unescape(listed[0])).status == 200
    assert "version 2: 1,0" not in words(page)
    removed = get(site, "/changes?kind=removed&lang=zh")
    assert f'href="{POST}/{DELETED}/history?lang=zh"' in removed.body.decode()
    assert "作者已删除" in words(removed)
    assert "该内容已被发布者删除" in words(removed)
    assert 'href="/feeds/changes.atom?lang=zh&amp;kind=removed"' in removed.body.decode()


def test_a_chart_of_changes_leads_to_those_of_a_month(site: SeededSite) -> None:
    page = get(site, "/changes?lang=en&since=2013").body.decode()  # other tests add posts of 2012
    bars = re.findall(r'<a href="([^"]+)" tabindex="-1" aria-label="2025-11, (\w+): (\d+)"><rect', page)
    assert [(name, count) for _, name, count in bars] == [("edited", "1"), ("removed", "1")]
    for path, name, count in bars:
        listed = get(site, unescape(path)).body.decode()
        assert 'name="since" value="2025-11-01"' in listed
        assert listed.count(f'<span class="mark {name}">') == int(count)
        assert page.count(f'href="{path}"') == 2  # in the chart, and in the table for the keyboard
    assert "Edits and removals by month" not in words(get(site, "/changes?kind=new&lang=en"))
    assert "各月修改与下架" in words(get(site, "/changes?lang=zh"))


def test_every_change_is_on_one_page_and_filters_select_changes(site: SeededSite) -> None:
    path, seen = "/changes?until=2025-12-31&lang=en", []
    while path:
        page = get(site, path).body.decode()
        seen += re.findall(r'<h2><span class="mark (\w+)">[^<]*</span> <a href="([^"]+)"', page)
        more = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(more[1]) if more else ""
    assert len(seen) == len(set(seen)) > len(daily_records())
    assert {kind for kind, _ in seen} == {"new", "edited", "removed"}
    assert "No such change" in words(get(site, "/changes?kind=restored&lang=en"))
    assert "No such change" in words(get(site, "/changes?account=nobody&since=&kind=&lang=en"))
    for bad in ("?kind=letter", "?after=zzz", "?since=yesterday", "?after=%00"):
        assert get(site, f"/changes{bad}").status == 400, bad


def test_posts_that_changed_carry_a_badge_and_can_be_selected(site: SeededSite) -> None:
    for path in ("/?lang=en", f"/search?lang=en&q={quote('合成')}"):
        marked = {
            mark: set(re.findall(r"posts/[^/]+/([0-9_]+)", get(site, f"{path}&changed={mark}").body.decode()))
            for mark in ("edited", "removed", "restored", "any")
        }
        assert EDITED in marked["edited"]
        assert DELETED not in marked["edited"]
        assert marked["removed"] == {DELETED}
        assert marked["restored"] == set()
        assert marked["any"] >= marked["edited"] | marked["removed"]
    page = get(site, "/?lang=en&changed=removed").body.decode()
    assert '<span class="mark removed">removed</span>' in page
    assert "mark edited" in get(site, "/?lang=zh&changed=edited").body.decode()
    assert get(site, "/?changed=burnt").status == 400


def test_days_may_be_months_years_and_weeks(site: SeededSite) -> None:
    def days(query: str) -> set[str]:
        return set(re.findall(r'id="day-([0-9-]+)"', get(site, f"/?{query}").body.decode()))

    assert days("since=2025-11&until=2025-11-05") == days("since=2025-11-01&until=2025-11-05") != set()
    assert days("since=2024&until=2024") == {"2024-05-06"}
    assert days("since=2025-W45&until=2025-W45") == days("since=2025-11-03&until=2025-11-09")
    assert 'name="until" value="2025-11-30"' in get(site, "/?until=2025-11").body.decode()
    assert get(site, "/?since=2025-13").status == 400
    assert get(site, "/api/v1/posts?since=2024&until=2024").json["posts"]
    assert get(site, "/api/v1/posts?until=2025-W99").status == 422


def test_cards_say_how_long_a_post_is_and_show_its_cover(site: SeededSite) -> None:
    for path in ("/?lang=en&kind=picture", f"/search?q={quote('合成')}&kind=picture&lang=en"):
        page = get(site, path)
        assert re.search(r"[\d,]+ characters? · \d+ images?", words(page)), path
        (source, *_) = re.findall(
            r'<img class="cover" src="([^"]+)" alt="" loading="lazy"', page.body.decode()
        )
        assert get(site, source).headers["Content-Type"].startswith("image/")
    assert "字" in words(get(site, "/?lang=zh&kind=picture"))
    assert '<p class="digest">' in get(site, "/").body.decode()


def test_pushes_of_a_day_are_listed_by_their_time(site: SeededSite) -> None:
    page = get(site, "/?since=2025-11-01&until=2025-11-12").body.decode()
    for day in re.split(r"<section", page)[1:]:
        times = re.findall(r'</a> <time datetime="([^"]+)"', day)
        assert times == sorted(times, reverse=True)
