"""Reading: what is asked for, and nothing else."""

import gzip
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.ingest.pages import import_records, store_parse_results
from archive.reports import status as status_module
from archive.repository import accounts as accounts_repository
from archive.repository import bodies as bodies_repository
from archive.repository import captures as captures_repository
from archive.repository import post_queries
from archive.repository.address_outcomes import record_failures
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.post_queries import PostFilter
from archive.repository.runs import close_run, finish_run, start_run
from tests.archive.making import BIZ, NOW, article, capture, record
from tests.support import captures

OTHER = "MzI1MDAxMjM0NQ=="
DAY = timedelta(days=1)


@pytest.fixture
def three_days(db_session: Session) -> Session:
    """One post a day of one account, and one of another account."""
    made = [replace(record(n), date=f"2026-03-0{n}") for n in (1, 2, 3)]
    other = replace(record(4), url=record(4).url.replace(BIZ, OTHER), account="别家", date="2026-03-02")
    import_records(db_session, None, [*made, other], "dump", NOW)
    return db_session


@pytest.mark.parametrize(
    ("asked", "aids"),
    [
        ({}, ["1003_1", "1004_1", "1002_1", "1001_1"]),
        ({"account": "示例账号"}, ["1003_1", "1002_1", "1001_1"]),
        ({"account": OTHER}, ["1004_1"]),
        ({"account": "没有"}, []),
        ({"since": date(2026, 3, 2)}, ["1003_1", "1004_1", "1002_1"]),
        ({"until": date(2026, 3, 2)}, ["1004_1", "1002_1", "1001_1"]),
        ({"account": BIZ, "since": date(2026, 3, 2), "until": date(2026, 3, 2)}, ["1002_1"]),
        ({"since": date(2026, 3, 3), "until": date(2026, 3, 1)}, []),
    ],
    ids=str,
)
def test_records_are_those_of_the_account_and_of_the_days_both_included(
    three_days: Session, asked: dict[str, date], aids: list[str]
) -> None:
    assert [found.aid for found in post_queries.records(three_days, PostFilter(**asked))] == aids  # type: ignore[arg-type]


def test_posts_are_found_by_their_aid_and_told_apart_by_account(three_days: Session) -> None:
    import_records(three_days, None, [replace(record(4), account="示例账号")], "dump", NOW)
    assert len(post_queries.find_posts(three_days, "1004_1")) == 2
    (post,) = post_queries.find_posts(three_days, "1004_1", OTHER)
    assert post_queries.record_of(post).account == "别家"
    assert post_queries.find_posts(three_days, "9_9") == []


def test_accounts_are_known_by_name_and_by_biz(three_days: Session) -> None:
    assert accounts_repository.account_names(three_days) == [(OTHER, "别家"), (BIZ, "示例账号")]
    assert [accounts_repository.has_account(three_days, known) for known in ("别家", OTHER, "没有")] == [
        True,
        True,
        False,
    ]


def test_the_status_counts_what_there_is_and_what_waits(three_days: Session) -> None:
    bodies = [b"a" * 1000, b"b"]
    kept = store_captures(three_days, None, [(None, capture(body)) for body in bodies])
    store_parse_results(three_days, None, [(kept[0], article(record(1, text="改")))], NOW, 1)
    seen = [SightingData(parse_address(record(9).url), "list", NOW)]
    (late,) = record_sightings(three_days, None, seen, NOW)
    record_failures(three_days, None, [(late.address_id, "timeout")], NOW)
    status = status_module.archive_status(three_days, NOW)
    assert (status.posts, status.versions, status.captures, status.unread) == (4, 5, 2, 1)
    assert status.captures_by_outcome == {"article": 1, "unread": 1}
    assert (status.due, status.waiting, status.given_up) == (3, 1, 0)  # one was read by another address
    assert (status.body_bytes, status.stored_bytes < 200) == (1001, True)
    accounts = {row["biz"]: (row["posts"], row["with_page"]) for row in status.accounts}
    assert accounts == {BIZ: (3, 1), OTHER: (1, 0)}


def test_an_empty_archive_has_a_status_too(db_session: Session) -> None:
    assert status_module.archive_status(db_session, NOW) == status_module.Status()


def test_a_run_ends_once(db_session: Session) -> None:
    ended, killed = (start_run(db_session, "run", {"due": 1}, NOW) for _ in range(2))
    finish_run(db_session, ended, "done", {"new": 1}, NOW + DAY)
    for run in (ended, killed):
        close_run(db_session, run, "failed", NOW + 2 * DAY)
    verdicts = [
        (run["verdict"], run["finished_at"])
        for run in status_module.archive_status(db_session, NOW).last_runs
    ]
    assert verdicts == [("failed", NOW + 2 * DAY), ("done", NOW + DAY)]


def test_captures_of_a_post_come_last_first_and_without_their_bodies(three_days: Session) -> None:
    (post,) = post_queries.find_posts(three_days, "1001_1", BIZ)
    seen = [SightingData(parse_address(record(1).url), "list", NOW)]
    (address,) = record_sightings(three_days, None, seen, NOW)
    answers = [(address.address_id, capture(body)) for body in (b"first", b"second")]
    kept = store_captures(three_days, None, [*answers, (None, capture(b"of another"))])
    found = captures_repository.list_captures(three_days, post)
    assert [row["id"] for row in found] == [kept[1], kept[0]]
    assert all("body" not in row for row in found)


def test_the_same_bytes_from_the_same_address_are_found_again(db_session: Session) -> None:
    kept = store_captures(db_session, None, [(None, capture(b"page")), (None, capture(b"page"))])
    url, sha256 = capture().requested_url, capture(b"page").sha256
    assert captures_repository.find_capture(db_session, url, sha256) == kept[0]
    assert captures_repository.find_capture(db_session, url, capture(b"other").sha256) is None
    assert captures_repository.find_capture(db_session, url + "x", sha256) is None


@captures.needs_captures
def test_real_pages_come_back_to_the_byte_from_either_packing(db_session: Session) -> None:
    bodies = [captures.capture(name) for name in captures.capture_names("article_*")[:3]]
    answers = [capture(body) for body in bodies]
    answers += [capture(body, gzipped=gzip.compress(body)) for body in bodies]
    kept = store_captures(db_session, None, [(None, answer) for answer in answers])
    assert [bodies_repository.capture_body(db_session, id_) for id_ in kept] == bodies * 2
    assert bodies


@pytest.mark.slow
def test_posts_of_a_day_are_listed_by_their_time_whatever_their_numbers_are(db_session: Session) -> None:
    """Numbers of pushes are those of an account: of two accounts they say nothing about time."""
    hours = {1: 9, 2: 22, 3: 15}
    for number, hour in hours.items():
        url = record(number).url.replace(BIZ, OTHER) if number == 2 else record(number).url
        made = replace(record(number), url=url)
        page = article(made, published_at=datetime(2026, 3, 1, hour - 8, 30, tzinfo=UTC))
        page = replace(page, biz=OTHER) if number == 2 else page
        (id_,) = store_captures(db_session, None, [(_address(db_session, url), capture(made.aid.encode()))])
        store_parse_results(db_session, None, [(id_, page)], NOW, 1)
    import_records(db_session, None, [record(4)], "dump", NOW)  # only its day is known: as at noon
    seen, after = list[str](), None
    while True:
        page_ = post_queries.page(db_session, PostFilter(), after, 1)
        seen += [post.aid for post, _ in page_.posts]
        if (after := page_.next) is None:
            break
    assert seen == ["1002_1", "1003_1", "1004_1", "1001_1"]


def _address(session: Session, url: str) -> int:
    seen = SightingData(parse_address(url), "list", NOW)
    return record_sightings(session, None, [seen], NOW)[0].address_id
