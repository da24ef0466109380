"""Compare search with ILIKE on made-up posts of realistic length.

`python -m bench.search [POSTS [QUERIES [COMPARED]]]` writes the last part of docs/reference/search.md.
Posts are loaded into the schema before search, which a migration then adds, as in an existing archive.
ILIKE reads the same column for the same page of 20.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

from alembic import command
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.orm import Session

from archive.db.embedded_server import embedded_postgres
from archive.db.engine import open_archive, transaction
from archive.db.models import Account, PostSearchDocument
from archive.db.schema import alembic_config
from archive.db.settings import ArchiveSettings
from archive.search.engine import BY_DATE, matching, newest_matching, search
from archive.search.query import Query, parse
from archive.search.results import DatePosition
from bench.made_up_texts import MadeUpTexts
from bench.report import machine, today, write_part
from bench.ways import ROOT

Result = TypeVar("Result")
POSTS = 200_000
ASKED = 2000  # queries
COMPARED = 30  # of those that few posts match, also run with ILIKE; and as many of the rest
RARE = 0.01  # of the posts
PAGE = 20
TIMES = 41  # at most that one is compared
SPENT = 1.0  # seconds after which it is enough: ILIKE takes three where it has to read every post
FIRST_DAY = date(2013, 1, 1)
REPORT = ROOT / "docs" / "reference" / "search.md"
_POST = (
    "COPY posts (account_id, aid, mid, idx, title, url, published_on, account_name, text, kind, content_hash,"
    " source) FROM STDIN"
)
_TEXT = """## Measured

{day}, {machine}; `python -m bench.search {posts} {asked}`, one run. Made-up posts with the lengths of
real ones; a query is a piece of a text of 1 to 12 characters, one in ten is in no text. A whole search
returns the first page of 20 with excerpts. The comparison is between finding the posts of that page by
search and by ILIKE on the same column in the same order, which must find the same.

{posts} posts: the index takes {index}, the words {words} (the posts themselves {stored}); the migration
builds both from the posts in {built}.

| posts that match | queries | whole search: median | p95 | slowest |
|---|---|---|---|---|
{searches}

| posts that match | queries | search: median | ILIKE: median | total speed-up | smallest | ILIKE faster in |
|---|---|---|---|---|---|---|
{compared}
"""
_SIZES = text(
    "SELECT pg_relation_size('ix__post_search_documents__grams'), pg_table_size('post_search_documents'),"
    " pg_table_size('posts')"
)


@dataclass(frozen=True, slots=True)
class Timing:
    """A query, the number of matching posts, and seconds: of the whole search, and of finding both ways."""

    query: Query
    matches: int
    seconds: float
    finding: float = 0.0
    ilike: float = 0.0


def main(posts: int = POSTS, asked: int = ASKED, compared: int = COMPARED) -> None:
    """Load, index, query, and write the tables."""
    with (
        tempfile.TemporaryDirectory(prefix="mparchive-search-", ignore_cleanup_errors=True) as folder,
        embedded_postgres(Path(folder)) as url,
        open_archive(ArchiveSettings(database_url=url)) as engine,
    ):
        _migrate(engine, command.downgrade, "0005")
        _load(engine, posts)
        built, _ = _timed(lambda: _migrate(engine, command.upgrade, "head"))
        measure(engine, posts, asked, compared, built)


def measure(engine: Engine, posts: int, asked: int, compared: int, built: float) -> None:
    """Query, and write the tables."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE post_search_documents"))
        connection.execute(text("VACUUM ANALYZE posts"))
    with transaction(engine) as session:
        sizes = session.execute(_SIZES).one()
        results = _ask(session, asked, compared, posts)
    write_part(_report(posts, built, sizes, results), REPORT)


def _migrate(engine: Engine, to: Callable[..., None], revision: str) -> None:
    with engine.begin() as connection:
        to(alembic_config(connection), revision)


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the seconds it took, and its result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _load(engine: Engine, posts: int) -> None:
    texts = MadeUpTexts()
    with engine.begin() as connection:
        account = connection.scalar(
            insert(Account).values(biz="Mzk5OTAwMDAwMQ==", name="合成账号").returning(Account.id)
        )
        with connection.connection.cursor() as cursor, cursor.copy(_POST) as copy:
            for number in range(posts):
                copy.write_row(_row(number, account, texts, posts))


def _row(number: int, account: int | None, texts: MadeUpTexts, posts: int) -> tuple[object, ...]:
    mid = 2_650_000_000 + number
    day = FIRST_DAY + timedelta(days=number * 4600 // posts)
    title, body = texts.title(number), texts.text(number)
    url = f"http://mp.weixin.qq.com/s?__biz=Mzk5OTAwMDAwMQ==&mid={mid}&idx=1&sn={number:032x}#rd"
    return account, f"{mid}_1", mid, 1, title, url, day, "合成账号", body, "article", "2:", "dump"


def _ask(session: Session, asked: int, compared: int, posts: int) -> list[Timing]:
    results = [_one(session, query) for query in _queries(session, asked, posts)]
    rare = [result for result in results if result.matches < RARE * posts][:compared]
    rest = [result for result in results if result.matches >= RARE * posts][:compared]
    with_ilike = {id(result): _compared(session, result) for result in [*rare, *rest]}
    return [with_ilike.get(id(result), result) for result in results]


def _queries(session: Session, asked: int, posts: int) -> Iterator[Query]:
    """Yield pieces of texts, 1 to 12 characters; one in ten is in no text."""
    chance = random.Random(6)
    first = session.scalar(text("SELECT min(post_id) FROM post_search_documents")) or 0
    for _ in range(asked):
        row = select(PostSearchDocument.words).where(
            PostSearchDocument.post_id == first + chance.randrange(posts)
        )
        words = session.scalars(row).one().replace('"', " ").replace("\n", " ")
        start, length = chance.randrange(len(words)), chance.randint(1, 12)
        piece = words[start : start + length]
        if chance.random() < 0.1:
            piece = "".join(chance.sample(piece, len(piece))) + "龘"
        yield parse(f'"{piece}"')


def _one(session: Session, query: Query) -> Timing:
    seconds, _ = _timed(lambda: search(session, query, limit=PAGE))
    matches = len(session.execute(matching(select(PostSearchDocument), query)).all())
    return Timing(query, matches, seconds)


def _compared(session: Session, asked: Timing) -> Timing:
    """Run the same query by search and by ILIKE alternately, and add the median of each."""
    both = [_by_both(session, asked.query)]
    while len(both) < TIMES and sum(map(sum, both)) < SPENT:
        both.append(_by_both(session, asked.query))
    finding, ilike = map(statistics.median, zip(*both, strict=True))
    return replace(asked, finding=finding, ilike=ilike)


def _by_both(session: Session, query: Query) -> tuple[float, float]:
    """Return the seconds of search and of ILIKE, which must find the same."""
    finding, found = _timed(lambda: newest_matching(session, query, (), PAGE))
    seconds, by_ilike = _timed(lambda: _ilike(session, query))
    if found != by_ilike:
        raise SystemExit(f"search and ILIKE differ on {query}")
    return finding, seconds


def _ilike(session: Session, query: Query) -> list[DatePosition]:
    (word,) = query.words
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    columns = select(PostSearchDocument.published_on, PostSearchDocument.post_id)
    rows = columns.where(PostSearchDocument.words.ilike(f"%{escaped}%")).order_by(*BY_DATE).limit(PAGE)
    return [DatePosition(*row) for row in session.execute(rows)]


def _report(posts: int, built: float, sizes: Sequence[int], results: list[Timing]) -> str:
    named = {
        "under 1 %": [result for result in results if result.matches < RARE * posts],
        "1 % and more": [result for result in results if result.matches >= RARE * posts],
        "all": results,
    }
    return _TEXT.format(
        posts=posts,
        asked=len(results),
        day=today(),
        machine=machine(),
        index=_mb(sizes[0]),
        words=_mb(sizes[1]),
        stored=_mb(sizes[2]),
        built=f"{built:.0f} s",
        searches="\n".join(_searches(name, some) for name, some in named.items() if some),
        compared="\n".join(_comparison(name, some) for name, some in named.items() if some),
    )


def _searches(name: str, results: list[Timing]) -> str:
    took = sorted(result.seconds for result in results)
    return _line(
        name, len(took), _ms(statistics.median(took)), _ms(took[len(took) * 95 // 100]), _ms(took[-1])
    )


def _comparison(name: str, results: list[Timing]) -> str:
    both = [(result.finding, result.ilike) for result in results if result.ilike]
    found, ilike = [finding for finding, _ in both], [seconds for _, seconds in both]
    gains = [seconds / finding for finding, seconds in both]
    slower = sum(gain < 1 for gain in gains)
    medians = _ms(statistics.median(found)), _ms(statistics.median(ilike))
    in_all = f"{sum(ilike) / sum(found):.1f} ×"
    return _line(name, len(both), *medians, in_all, f"{min(gains):.1f} ×", slower)


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
