"""Test that bodies and parse results move out of the captures, equal bodies become one, and heads hold."""

import gzip
import sys

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from archive.db import schema
from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import store_parse_results
from archive.integrity.verifier import verify_archive
from archive.repository.bodies import capture_body
from archive.repository.captures import list_captures, store_captures, unparsed_captures
from archive.repository.hash_chain import chain_heads
from archive.repository.posts import Post
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import context_at
from tests.archive.making import NOW, article, capture, record, template

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DIGEST = text(
    "SELECT e.digest FROM chain_entries e JOIN chains ON chains.id = e.chain_id"
    " WHERE biz = :biz AND position = :length"
)
PAGES = [template(1) + b"%d" % number for number in range(3)]


def fill(engine: Engine) -> list[int]:
    """Store a post, a removed one, unparsed pages, and a body of three captures; return the captures' ids."""
    with transaction(engine) as session:
        bodies = [PAGES[0], PAGES[1], PAGES[2], PAGES[1], PAGES[1]]
        pages = [(None, capture(body, minutes=number)) for number, body in enumerate(bodies)]
        ids = store_captures(session, None, pages)
        gone = ParsedPage(Outcome.DELETED, "archive.verbatim")
        store_parse_results(session, None, [(ids[0], article(record())), (ids[1], gone)], NOW, 3)
    with engine.begin() as connection:
        schema.migrate(connection, "0009")
    return ids


def upgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        schema.migrate(connection, "head")


def test_everything_is_where_it_belongs_and_nothing_is_lost(engine: Engine, tmp_path: object) -> None:
    ids = fill(engine)
    with transaction(engine) as session:
        heads = chain_heads(session)
    upgrade(engine)
    with transaction(engine) as session:
        assert [capture_body(session, id_) for id_ in ids] == [
            PAGES[0], PAGES[1], PAGES[2], PAGES[1], PAGES[1]
        ]  # fmt: skip
        assert session.scalar(text("SELECT count(*) FROM bodies")) == len(PAGES)
        assert unparsed_captures(session) == ids[2:]
        found = session.execute(
            text("SELECT capture_id, outcome, parser_version FROM parse_results ORDER BY 1")
        )
        assert found.all() == [(ids[0], "article", 3), (ids[1], "deleted", 3)]
        (listed,) = list_captures(session, session.query(Post).one())
        assert (listed["id"], listed["outcome"]) == (ids[0], "article")
        for head in heads:  # later migrations append entries
            assert session.scalar(DIGEST, {"biz": head.biz, "length": head.length}).hex() == head.digest
    context = context_at(MediaFolder(ArchiveSettings(media=str(tmp_path))))
    assert verify_archive(engine, context, only=["chains", "ties", "bytes"]).is_sound


def test_of_equal_bodies_one_that_is_whole_is_taken_also_where_the_first_is_damaged(engine: Engine) -> None:
    ids = fill(engine)
    damage = "UPDATE captures SET body = 'x', body_encoding = 'zstd', reference_id = NULL WHERE id = :id"
    other = "UPDATE captures SET body = :body, body_encoding = 'gzip', reference_id = NULL WHERE id = :id"
    with engine.begin() as connection:
        connection.execute(text(damage), {"id": ids[1]})
        connection.execute(text(other), {"id": ids[3], "body": gzip.compress(PAGES[1])})
    upgrade(engine)
    with transaction(engine) as session:
        assert [capture_body(session, id_) for id_ in ids[1:]] == [PAGES[1], PAGES[2], PAGES[1], PAGES[1]]
        stored = session.execute(
            text("SELECT data, codec FROM captures JOIN bodies USING (sha256) WHERE id = :id"), {"id": ids[1]}
        ).one()
        assert (zstd.decompress(stored.data), stored.codec) == (PAGES[1], "zstd")


def test_no_row_of_captures_can_be_changed_afterwards(engine: Engine) -> None:
    fill(engine)
    upgrade(engine)
    with pytest.raises(DBAPIError, match=r"rows of captures\w* never change"), engine.begin() as connection:
        connection.execute(text("UPDATE captures SET requested_url = 'x'"))


def rows(connection: Connection) -> tuple[object, ...]:
    """Return what the old schema holds."""
    sums = "SELECT count(*), sum(length(body)), string_agg(outcome || parser_version, ',') FROM captures"
    return tuple(connection.execute(text(sums)).one())


def test_an_upgrade_that_is_cut_off_changes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(engine)
    with engine.connect() as connection:
        before = rows(connection)
    with pytest.raises(DBAPIError), engine.begin() as connection:
        schema.migrate(connection, "head")
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with engine.connect() as connection:
        assert schema.revision(connection) == "0009"
        assert rows(connection) == before
    upgrade(engine)
    with engine.connect() as connection:
        assert schema.revision(connection) == schema.newest_revision()
