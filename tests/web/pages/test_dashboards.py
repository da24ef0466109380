"""The calendar, the gaps and the health page."""

import re
from datetime import date
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from archive.db.engine import transaction
from archive.db.models import Source
from archive.domain.messages import Message
from archive.reports.statistics import Month
from archive.repository.sources import SourceReport, record_report
from tests.archive.making import BIZ, NOW
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import ACCOUNT, OTHER, POST, get, words
from tests.web.seeding import EDITED, NAME, QUOTED
from tests.web.served import served
from web.pages.dashboards import HEAT_LEVELS, counted_together, cumulate, heat_map


@pytest.mark.slow
def test_the_calendar_counts_days_months_and_silences(site: SeededSite) -> None:
    page = get(site, f"{ACCOUNT}/calendar?year=2025&lang=en")
    shown = words(page)
    assert page.body.decode().count('<rect class="h') == 365
    assert "most on 2025-" in shown
    assert re.search(r"\b11 2025-09-10 2025-09-22\b", shown)
    assert "within 10 minutes" in shown
    assert words(get(site, f"{ACCOUNT}/calendar?year=2019&lang=en")).count("No posts in this year.") == 2
    assert get(site, f"{ACCOUNT}/calendar?year=banana").status == 400
    assert "Posts without their page" in words(get(site, f"{ACCOUNT}/gaps?lang=en"))
    assert get(site, "/accounts/unknown/calendar").status == 404


@pytest.mark.slow
def test_days_and_months_of_the_charts_lead_to_their_posts(site: SeededSite) -> None:
    page = get(site, f"{ACCOUNT}/calendar?year=2025&lang=en").body.decode()
    days = re.findall(
        r'<a href="([^"]+)" tabindex="-1" aria-label="(2025-[0-9-]+): (\d+) posts?"><rect', page
    )
    assert len(days) == len({day for _, day, _ in days}) > 50
    months = re.findall(r'<a href="([^"]+)" tabindex="-1" aria-label="(\d{4}-\d\d): (\d+)"><rect', page)
    assert {"2024-05", "2025-11"} <= {month for _, month, _ in months}
    for path, period, count in (days[0], days[-1], months[-1]):
        listed = get(site, unescape(path)).body.decode()
        assert listed.count('<article class="push">') == len(
            set(re.findall(r'href="/posts/[^/]+/(\d+)', listed))
        )
        assert len(set(re.findall(r'href="/posts/[^/]+/([0-9_]+)', listed))) == int(count), period
        assert f"since={period}" in unescape(path)
    table = page[page.index('aria-label="Posts by month"') :]
    assert all(f'href="{path}">{month}</a></th>' in table for path, month, _ in months)


def test_health_lists_problems_sources_egresses_runs_and_contents(site: SeededSite) -> None:
    page = words(get(site, "/health?lang=en"))
    assert "What is wrong, and what to do Started Event What to do 2025-11-09 12:00 /data" in page
    assert (
        "What is watched Account Sources Last success Next check 合成云屿经信 no source never 示例账号"
        in page
    )
    assert "album:1 ok feed:synthetic unreachable own_backend not understood 2025-11-20 12:00" in page
    assert "Resolved in the last 30 days Started Ended Event" in page
    assert "feed:synthetic unreachable" in page
    assert f"own_backend not understood {QUOTED}" in page
    assert "office 2025-11-20 12:00 2025-11-20 12:30 verification demanded" in page
    assert "backfill 2025-11-09 12:00 2025-11-09 12:05 done new 18, fetched 20" in page
    assert "Last verified on 2025-11-20 12:02: 1 difference from what was archived;" in page
    assert "Rows checked by the last `mparchive verify`: Bytes of captures 20 Media files 18 Heads" in page
    assert re.search(r"Heads of the hash chains .* 示例账号 [\d,]+ [0-9a-f]{64}\b", page)


def test_names_of_stored_values_are_chinese_on_chinese_pages(site: SeededSite) -> None:
    page = words(get(site, "/health?lang=zh"))
    assert "问题与处理办法 开始时间 事件 处理办法 2025-11-09 12:00 /data" in page
    assert "feed:synthetic 无法连接" in page
    assert "album:1 正常" in page
    assert "补录（backfill） 2025-11-09 12:00 2025-11-09 12:05 完成 新增 18，成功 20" in page
    assert "来自原网页" in words(get(site, f"{POST}/{EDITED}/history?lang=zh"))
    assert "缺少原网页的文章" in words(get(site, f"{ACCOUNT}/gaps?lang=zh"))


def test_the_sources_of_an_account_are_listed_with_what_others_would_take(site: SeededSite) -> None:
    page = words(get(site, f"{ACCOUNT}/sources?lang=en"))
    assert "Not used Source What it finds What it takes" in page
    assert "album:1 ok" in page
    assert "weread all posts of an account that WeRead lists" in page
    assert "未使用的来源" in words(get(site, f"{ACCOUNT}/sources?lang=zh"))
    assert get(site, "/accounts/unknown/sources").status == 404


def test_nothing_but_quotations_is_english_on_chinese_pages(site: SeededSite) -> None:
    for path in ("/health", f"{ACCOUNT}/gaps", f"/accounts/{OTHER}/gaps", f"/accounts/{OTHER}/sources"):
        page = get(site, f"{path}?lang=zh").body.decode()
        english = re.findall(r' lang="en"[^>]*>([^<]*)<', page)
        assert english == ["English", *[QUOTED] * (path == "/health")], path


def test_a_stored_message_is_shown_in_the_readers_language_and_by_the_api_in_english(engine: Engine) -> None:
    detail = Message("web.request.too_many", {"most": 7, "wait": 3})
    with transaction(engine) as session:
        record_report(session, None, SourceReport(BIZ, "album:1", "unreachable", good=False), NOW)
        session.execute(update(Source).values(detail=detail.dump()))
    with served(engine) as web:
        for language, shown in (
            ("en", "at most 7 requests a minute; wait 3 s"),
            ("zh", "每分钟最多 7 次请求"),
        ):
            assert shown in words(web.ask("GET", f"/health?lang={language}"))
        (source,) = web.ask("GET", "/api/v1/status").json["sources"]
        assert source["detail"] == str(detail)


def test_accounts_are_compared_by_month_and_by_year_with_links(site: SeededSite) -> None:
    query = f"account={BIZ}&account={OTHER}"
    page = get(site, f"/compare?{query}&since=2025-09&until=2025-11&lang=en").body.decode()
    bars = re.findall(r'<a href="([^"]+)" tabindex="-1" aria-label="(2025-\d\d), ([^"]+): (\d+)"><rect', page)
    assert {(month, name) for _, month, name, _ in bars} >= {("2025-11", "示例账号"), ("2025-11", NAME)}
    for address, period, _, count in (bars[0], bars[-1]):
        listed = get(site, unescape(address)).body.decode()
        assert len(set(re.findall(r'href="/posts/[^/]+/([0-9_]+)', listed))) == int(count), period
    (chinese,) = re.findall(r'<a href="([^"]+)" lang="zh-Hans"', page)
    assert words(get(site, unescape(chinese))).count(NAME) >= 3
    years = words(get(site, f"/compare?{query}&since=2013&lang=en"))
    assert "Month or year 示例账号 合成云屿经信 2025" in years
    assert "Choose two or more accounts" in words(get(site, "/compare?account=&account=&lang=en"))
    assert get(site, "/compare?account=unknown").status == 404
    assert get(site, "/compare?account=%00").status == 404
    many = get(site, f"/compare?lang=zh&{'&'.join(f'account=x{number}' for number in range(5))}")
    assert many.status == 400
    assert "最多对比 4 个公众号" in words(many)


def test_counts_of_several_accounts_have_the_same_periods_until_today() -> None:
    one, other = {date(2025, 1, 31): 2}, {date(2025, 3, 1): 1}
    months = counted_together([one, other], date(2025, 4, 2))
    assert months == [("2025-01", [2, 0]), ("2025-02", [0, 0]), ("2025-03", [0, 1]), ("2025-04", [0, 0])]
    years = counted_together([one, {**other, date(2020, 5, 1): 4}], date(2025, 4, 2))
    assert years == [("2020", [0, 4]), *[(str(year), [0, 0]) for year in range(2021, 2025)], ("2025", [2, 1])]
    assert counted_together([], date(2025, 4, 2)) == counted_together([{}], date(2025, 4, 2)) == []


@given(st.integers(2000, 2200))
def test_each_day_of_a_year_has_a_square_and_each_week_a_column(year: int) -> None:
    squares = heat_map(year, {})
    assert len({(square.x, square.y) for square in squares}) == len(squares) in (365, 366)
    assert {square.y for square in squares if square.day.weekday() == 0} == {0}
    assert max(square.x for square in squares) <= 53 * 12
    assert {square.level for square in squares} == {0}


def test_a_day_with_a_post_is_visible_and_the_day_with_most_is_darkest() -> None:
    days = {date(2025, 1, 1): 1, date(2025, 1, 2): 40, date(2025, 1, 3): 21, date(2024, 1, 1): 900}
    levels = [square.level for square in heat_map(2025, days)]
    assert levels[:4] == [1, HEAT_LEVELS, 3, 0]


def test_the_silence_that_goes_on_is_drawn_until_today() -> None:
    days = {date(2025, 1, 1): 1, date(2025, 1, 3): 1}
    silent = [square.day for square in heat_map(2025, days, date(2025, 1, 6)) if square.is_silent]
    assert silent == [date(2025, 1, 4), date(2025, 1, 5), date(2025, 1, 6)]
    assert sum(square.is_silent for square in heat_map(2026, days, date(2026, 3, 1))) == 31 + 28 + 1
    assert not any(
        square.is_silent for square in (*heat_map(2025, {}, date(2025, 6, 1)), *heat_map(2025, days))
    )


def test_the_calendar_says_since_when_an_account_is_silent(site: SeededSite) -> None:
    page = get(site, f"{ACCOUNT}/calendar?year=2025&lang=en")
    assert "No post since 2025-11-13: 6 days until yesterday, still going on; a source last" in words(page)
    assert page.body.decode().count(" silent") >= 7
    assert "all of it in 2025-11" in words(page)  # one month is not drawn as growth


def test_growth_is_cumulated_also_over_months_without_any() -> None:
    months = cumulate([Month(date(2025, 1, 1), 3), Month(date(2025, 3, 1), 1)])
    assert [(one.total, one.height) for one in months] == [(3, 0.75), (3, 0.75), (4, 1.0)]
    assert cumulate([]) == []
