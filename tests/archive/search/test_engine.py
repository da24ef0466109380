"""Search over a few posts: kept up to date, filtered, in order, page by page."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Engine, NullPool, create_engine, delete, select, text, update
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Post, PostSearchDocument, Version
from archive.domain.records import Record
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.post_queries import PostFilter
from archive.repository.search_index import check_search_index, rebuild_search_index
from archive.search.engine import Order, search
from archive.search.query import SearchError, parse
from tests.archive.making import BIZ, NOW, article, capture, record
from tests.support.database import as_superuser


def take(session: Session, *records: Record) -> None:
    import_records(session, None, records, "dump", NOW)


def aids(
    session: Session, words: str, order: Order = "date", limit: int = 20, **filters: object
) -> list[str]:
    """Return the hits' aids, in order."""
    chosen = PostFilter(**filters)  # type: ignore[arg-type]
    return [hit.aid for hit in search(session, parse(words), chosen, order=order, limit=limit).hits]


def on(day: str, number: int, words: str) -> Record:
    return replace(record(number, text=words), date=day)


def test_a_post_is_found_by_what_it_says_now_at_once(db_session: Session) -> None:
    take(db_session, record(1, text="旧的文字\r"))
    assert aids(db_session, "旧的") == ["1001_1"]
    take(db_session, record(1, text="新的文字\r"))
    assert aids(db_session, "旧的") == []
    assert aids(db_session, "新的") == ["1001_1"]


def test_a_page_that_was_read_is_found_by_its_text_and_kind(db_session: Session) -> None:
    take(db_session, record(1, text="旧的文字\r"))
    kept = store_captures(db_session, None, [(None, capture())])
    store_parse_results(db_session, None, [(kept[0], article(record(1, text="网页&nbsp;文字\r")))], NOW, 1)
    assert aids(db_session, '"网页 文字"', kind="article") == ["1001_1"]
    assert aids(db_session, "网页", kind="picture") == aids(db_session, "旧的") == []
    assert check_search_index(db_session) == []


def test_a_post_that_is_gone_from_the_database_is_not_found(db_session: Session) -> None:
    take(db_session, record(1), record(2))
    db_session.execute(text("ALTER TABLE versions DROP CONSTRAINT fk__versions__post_id__posts"))
    db_session.execute(delete(Post).where(Post.aid == "1001_1"))
    assert aids(db_session, "标题") == ["1002_1"]


def test_words_are_found_in_the_title_as_in_the_text_but_not_across_the_two(db_session: Session) -> None:
    take(db_session, record(1, title="工业", text="互联网\r平台"))
    assert aids(db_session, "工业 互联网") == aids(db_session, '"互联网 平台"') == ["1001_1"]
    assert aids(db_session, "工业互联网") == aids(db_session, '"工业 互联网"') == []


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        ("ABC", True), ("abc", True), ("x<y", True), ("&lt;", False), ("a&b", True), ("甲　乙", True),
        ('"甲 乙"', True), ("“甲 乙”", True), ('"甲  乙"', True), ("甲乙", False), ("100%_\\", True),
        ("10%", False), ("甲 -乙", False), ("甲 -丙", True), ('甲 -"x<y a"', False), ("İX", True),
        ("ΣΑΣ", True), ("😀", True), ("ix", True), ("\x00", False), ("\ud800", False), ("ａ", False),
    ],
)  # fmt: skip
def test_what_the_reader_sees_is_found_whatever_its_case(
    db_session: Session, words: str, is_found: bool
) -> None:
    take(db_session, record(1, text="Abc x&lt;y a&amp;b 甲&nbsp; 乙\r100%_\\ İx σας ΣΑΣ 😀"))
    assert aids(db_session, words) == (["1001_1"] if is_found else [])


def test_filters_choose_account_kind_and_days(db_session: Session) -> None:
    days = ("2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02")
    take(db_session, *(on(day, number, "文字") for number, day in enumerate(days)))
    assert aids(db_session, "文字") == ["1003_1", "1002_1", "1001_1", "1000_1"]
    assert aids(db_session, "文字", since=date(2026, 2, 28), until=date(2026, 3, 1)) == ["1002_1", "1001_1"]
    assert (
        len(aids(db_session, "文字", account=BIZ)) == len(aids(db_session, "文字", account="示例账号")) == 4
    )
    assert aids(db_session, "文字", account="别的账号") == aids(db_session, "文字", kind="video") == []


def test_by_relevance_a_title_comes_before_many_words_and_many_before_few(db_session: Session) -> None:
    texts = ("工业" + "别的" * 100, "工业" * 9, "别的", "工业，工业" + "别的" * 100)
    titles = ("标题", "标题", "工业", "标题")
    records = [
        record(number, title=t, text=words)
        for number, (t, words) in enumerate(zip(titles, texts, strict=True))
    ]
    take(db_session, *records)
    assert aids(db_session, "工业", order="relevance") == ["1002_1", "1001_1", "1003_1", "1000_1"]


@pytest.mark.slow
@pytest.mark.parametrize("order", ["date", "relevance"])
def test_pages_go_on_where_the_last_one_ended_whatever_comes_in_between(
    db_session: Session, order: str
) -> None:
    take(
        db_session,
        *(on(f"2026-03-{1 + number % 9:02}", number, "文字" * (number % 4 + 1)) for number in range(30)),
    )
    whole = aids(db_session, "文字", order=order, limit=100)
    seen, after = [], None
    for number in range(100, 110):
        page = search(db_session, parse("文字"), order=order, limit=7, after=after)  # type: ignore[arg-type]
        seen += [hit.aid for hit in page.hits]
        after = page.next
        if after is None:
            break
        take(db_session, on("2026-03-30", number, "文字" * 50))
    assert seen == whole


def test_what_is_older_than_the_ranked_posts_follows_by_date(
    db_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archive.search.engine.RANKED", 5)
    take(
        db_session,
        *(on(f"2026-03-{number + 1:02}", number, "文字" * (number % 4 + 1)) for number in range(12)),
    )
    seen, after = [], None
    for _ in range(10):
        page = search(db_session, parse("文字"), order="relevance", limit=2, after=after)
        seen += [hit.aid for hit in page.hits]
        after = page.next
        if after is None:
            break
    assert set(seen[:5]) == {f"{1000 + number}_1" for number in range(7, 12)}
    assert seen[5:] == [f"{1000 + number}_1" for number in range(6, -1, -1)]


def test_words_that_only_old_posts_have_are_found_behind_many_newer_ones(
    db_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archive.search.engine.SCANNED", 3)
    take(db_session, *(on(f"2026-03-{number + 1:02}", number, "新的") for number in range(1, 20)))
    take(db_session, on("2026-03-01", 0, "旧的工业互联网"))
    assert aids(db_session, "旧的", limit=1) == aids(db_session, "工业互联", limit=1) == ["1000_1"]
    assert aids(db_session, "旧的 -工业", limit=1) == aids(db_session, "工互", limit=1) == []


@pytest.mark.parametrize(
    "after",
    ["x", "é", "=", "W10", "W251bGwsMSwxXQ" * 20, "W251bGwsMCwwXQ", "W251bGwsMSwxLDEsMV0", "WzEsMSwxXQ",
     "WyJhIiwxLDFd", "W251bGwsMWUzMDAsMV0", "bnVsbA", "W251bGwsdHJ1ZSwxXQ", "W251bGwsOTk5OTk5OTk5LDFd"],
)  # fmt: skip
def test_a_place_to_go_on_from_that_was_tampered_with_is_refused(db_session: Session, after: str) -> None:
    with pytest.raises(SearchError, match="start at its first page"):
        search(db_session, parse("文字"), after=after)


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_page_is_bounded(db_session: Session, limit: int) -> None:
    with pytest.raises(SearchError, match="1 to 100"):
        search(db_session, parse("文字"), limit=limit)


def test_a_hit_tells_what_a_list_shows_of_a_post(db_session: Session) -> None:
    take(db_session, record(1, text="前&nbsp;文Foo\r后文"))
    (hit,) = search(db_session, parse("foo")).hits
    assert (hit.aid, hit.biz, hit.account, hit.title) == ("1001_1", BIZ, "示例账号", "标题")
    assert (hit.published_on, hit.kind) == (date(2026, 3, 1), None)
    assert hit.excerpt == [("前 文", False), ("Foo", True), (" 后文", False)]


def test_what_is_wrong_with_the_index_is_told_and_a_rebuild_repairs_it(db_session: Session) -> None:
    take(db_session, *(record(number) for number in range(1, 5)))
    first = select(Post.current_version_id).where(Post.aid == "1001_1").scalar_subquery()
    db_session.execute(update(Version).where(Version.id == first).values(text="别的文字"))
    db_session.execute(
        delete(PostSearchDocument).where(PostSearchDocument.post_id.in_(ids(db_session, "1002_1")))
    )
    wrong = check_search_index(db_session)
    assert [one.params["reason"].code for one in wrong] == [
        "archive.search_index.text_differs",
        "archive.search_index.post_missing",
    ]
    rebuild_search_index(db_session)
    assert check_search_index(db_session) == []
    assert aids(db_session, "别的") == ["1001_1"]


def test_a_post_that_the_index_lost_is_told(engine: Engine, fresh_database_url: str) -> None:
    ready = (
        "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'ix__post_search_documents__grams'::regclass"
    )
    superuser = create_engine(as_superuser(fresh_database_url), poolclass=NullPool)
    with superuser.begin() as connection:
        connection.execute(text(ready.format("false")))
    with transaction(engine) as session:
        take(session, record())
    with superuser.begin() as connection:
        connection.execute(text(ready.format("true")))
    with transaction(engine) as session:
        (wrong,) = check_search_index(session)
        assert wrong.params["reason"].code == "archive.search_index.lookup_fails"
        rebuild_search_index(session)
        assert check_search_index(session) == []


def ids(session: Session, aid: str) -> list[int]:
    return [post.id for post in session.query(Post).filter_by(aid=aid)]
