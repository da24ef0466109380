"""Counts of hits: complete up to a bound, of the newest beyond it, and equal to what the filters find."""

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy.orm import Session

from archive.domain.outcomes import Kind, Outcome, PostMark
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records
from archive.repository.post_queries import PostFilter
from archive.search.engine import search
from archive.search.facets import count_facets
from archive.search.lookup import facets_of_hits
from archive.search.query import Query, parse
from tests.archive.making import BIZ, NOW, article, record
from tests.archive.reports.test_changes import fetch

OTHER = "MzI1MDAxMjM0NQ=="


@pytest.fixture
def hits(db_session: Session) -> Session:
    """Store posts of two accounts and three years; one is edited, one removed, one restored."""
    days = {1: "2024-12-30", 2: "2025-11-03", 3: "2025-11-04", 4: "2026-03-01"}
    made = [replace(record(number, text="合成申报通知\r"), date=day) for number, day in days.items()]
    other = replace(made[1], url=made[1].url.replace(BIZ, OTHER), account="别家")
    import_records(db_session, None, [*made, other, record(9, text="无关\r")], "dump", NOW)
    edited = replace(made[0], text="合成申报通知改\r")
    fetch(db_session, made[0], article(made[0]), 0)
    fetch(db_session, made[0], replace(article(edited), kind=Kind.PICTURE), 10)
    away = ParsedPage(Outcome.DELETED, reason="已删除")
    for post in made[2:]:
        fetch(db_session, post, article(post), 0)
        fetch(db_session, post, away, 10)
    fetch(db_session, made[3], article(made[3]), 20)
    return db_session


@pytest.mark.slow
def test_hits_are_counted_by_account_month_kind_and_mark(hits: Session) -> None:
    found = count_facets(hits, parse("申报通知"))
    assert (found.total, found.is_complete) == (5, True)
    assert [(biz, count) for biz, _, count in found.accounts] == [(BIZ, 4), (OTHER, 1)]
    totals = {month: kinds.total() for month, kinds in found.months.items()}
    assert totals == {date(2024, 12, 1): 1, date(2025, 11, 1): 3, date(2026, 3, 1): 1}
    assert sum(found.months.values(), Counter()) == dict(found.kinds)
    assert found.years == [(2026, 1), (2025, 3), (2024, 1)]
    assert dict(found.kinds) == {None: 2, "picture": 1, "article": 2}
    assert dict(found.marks) == dict.fromkeys((PostMark.EDITED, PostMark.REMOVED, PostMark.RESTORED), 1)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["申报", "申报通知", "申报 -改", ""])
def test_each_count_is_the_number_that_its_filter_finds(hits: Session, words: str) -> None:
    query = parse(words) if words else Query(())
    found = count_facets(hits, query)
    filters = {PostFilter(account=biz): count for biz, _, count in found.accounts}
    filters |= {PostFilter(kind=kind): count for kind, count in found.kinds if kind}
    filters |= {PostFilter(mark=mark): count for mark, count in found.marks}
    filters |= {
        PostFilter(since=date(year, 1, 1), until=date(year, 12, 31)): count for year, count in found.years
    }
    assert len(filters) >= 6
    for chosen, count in filters.items():
        assert len(search(hits, query, chosen).hits) == count == count_facets(hits, query, chosen).total, (
            chosen
        )


@pytest.mark.slow
def test_of_many_hits_the_newest_are_counted(hits: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archive.search.facets.MAX_COUNTED_HITS", 3)
    monkeypatch.setattr("archive.search.facets.RANKED", 2)
    found = count_facets(hits, parse("申报通知"), most=3)
    assert (found.total, found.is_complete) == (2, False)
    assert {month: kinds.total() for month, kinds in found.months.items()} == {
        date(2026, 3, 1): 1,
        date(2025, 11, 1): 1,
    }


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [PostFilter(), PostFilter(since=date(2020, 1, 1))], ids=["all", "filter"])
def test_more_hits_than_are_wanted_are_not_complete(hits: Session, chosen: PostFilter) -> None:
    whole = count_facets(hits, parse("申报通知"), chosen)
    assert whole.is_complete
    assert count_facets(hits, parse("申报通知"), chosen, most=whole.total) == whole
    assert not count_facets(hits, parse("申报通知"), chosen, most=whole.total - 1).is_complete


@pytest.mark.slow
def test_posts_found_by_a_name_are_not_counted(hits: Session) -> None:
    assert facets_of_hits(hits, "1001_1") is None
    assert facets_of_hits(hits, "-申报") is None
    assert facets_of_hits(hits, "没有这些字") is None
    assert facets_of_hits(hits, "", PostFilter(since=date(2026, 1, 1))) is not None
