"""Two thousand invented posts, short and of few characters, so that most queries find some."""

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from archive.domain.records import Record
from archive.ingest.pages import import_records
from tests.archive.making import NOW, record

POSTS = 2000
_PIECES = (
    *(chr(0x4E00 + 37 * number) for number in range(250)),
    *"ABCabcXYZéßΣσςİı0123456789%_\\'\"-.,;:!?，。、；：“”《》（）",
    *("&nbsp;", "&amp;", "&lt;", "&#39;", "\r", " ", " ", "AI", "5G", "Foo", "foo bar", "工业", "互联网"),
    *("工业互联网", "😀", "𠮷", "é", "Ａ", "\u3000"),
)
_FAVOURITES = 1.2  # how much more often the first pieces come


def invented_records(number: int, seed: int = 1) -> list[Record]:
    """Make records of invented posts."""
    chance = random.Random(seed)
    order = chance.sample(_PIECES, len(_PIECES))
    often = [1 / (place + 2) ** _FAVOURITES for place in range(len(order))]

    def words(length: int) -> str:
        return "".join(chance.choices(order, often, k=length))

    return [record(place, title=words(6), text=words(chance.randint(0, 90))) for place in range(number)]


@pytest.fixture(scope="module")
def filled(shared_engine: Engine) -> Iterator[Session]:
    """Open a session that sees the posts and leaves the database as it was."""
    with shared_engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            import_records(session, None, invented_records(POSTS), "dump", NOW)
            # as after a while; the newest posts' way through the list is tested elsewhere
            session.execute(text("SELECT gin_clean_pending_list('ix__post_search_documents__grams')"))
            # autovacuum may have come by after a test that left nothing: a table known to be empty is read
            # from end to end. What is known now stays so, since the lock keeps autovacuum away.
            session.execute(text("ANALYZE post_search_documents"))
            yield session
        outer.rollback()
