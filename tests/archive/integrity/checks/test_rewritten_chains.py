"""Test that whoever rewrites the chains as a whole is found by a head that left the house with a feed."""

from random import Random

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from archive.db.models import Account
from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks.chains import CHAIN_CHECKS
from archive.integrity.checks.facts import FACT_CHECKS
from archive.integrity.saved_heads import SavedHeads, compare_with_heads, parse_heads
from archive.repository.hash_chain import chain_heads
from archive.repository.heads import last_head
from tests.archive.integrity.checks.forgeries import forged, rewrite_chains
from tests.archive.integrity.checks.mutations import Mutation, changed, rolled_back_session
from tests.archive.making import NOW
from web.feed_formats import FeedDocument, write_atom, write_json_feed

pytestmark = pytest.mark.slow

REWRITES = 100
CONSISTENT = 80  # of these at least nothing but the head tells: the forger has done it well
UNCHAINED = {"chains", "chain_entries", "heads", "head_lengths", "post_search_documents", "removals"}


@pytest.fixture(scope="module")
def feeds(filled: Connection) -> list[SavedHeads]:
    """Return the heads that a reader has who followed the feeds before anything was forged."""
    with rolled_back_session(filled) as session:
        head = last_head(session, set(session.scalars(select(Account.biz).limit(2))))
    feed = FeedDocument("t", "http://h/feeds/posts", "http://h/", None, NOW, (), head=head)
    return [parse_heads(b"".join(write(feed))) for write in (write_atom, write_json_feed)]


def mutations(connection: Connection) -> list[Mutation]:
    """Return damages to rows that chains vouch for, in a random order that is always the same."""
    found = [*changed(connection), *forged(connection)]
    chained = [one for one in found if UNCHAINED.isdisjoint(table for table, _ in one.ids)]
    return Random(7).sample(chained, len(chained))


def test_the_feeds_hold_of_an_archive_that_nobody_touched(
    filled: Connection, feeds: list[SavedHeads]
) -> None:
    with rolled_back_session(filled) as session:
        assert [compare_with_heads(session, feed) for feed in feeds] == [[], []]
        assert all(feed.digest for feed in feeds)


def test_a_hundred_rewritten_archives_are_found_by_the_head_of_a_feed(
    filled: Connection, context: CheckContext, feeds: list[SavedHeads]
) -> None:
    tried, consistent, missed = 0, 0, []
    with rolled_back_session(filled) as session:
        before = chain_heads(session)
    for mutation in mutations(filled):
        try:
            with rolled_back_session(filled) as session:
                for statement in mutation.statements:
                    session.connection().exec_driver_sql(statement)
                rewrite_chains(session)
                if (
                    chain_heads(session) == before
                ):  # of a row without an entry, or of what entries do not hold
                    continue
                checks = (*CHAIN_CHECKS, *FACT_CHECKS)
                findings = [one for check in checks for one in check.run(RowRange(session, context)).findings]
                consistent += not findings
                if not all(compare_with_heads(session, feed) for feed in feeds):
                    missed.append(mutation)
        except DBAPIError as error:
            assert (getattr(error.orig, "sqlstate", None) or "").startswith("23"), mutation
            continue
        if (tried := tried + 1) == REWRITES:
            break
    assert (tried, missed) == (REWRITES, [])
    assert consistent >= CONSISTENT
