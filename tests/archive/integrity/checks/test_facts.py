"""Test the checks of facts."""

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks.facts import FACT_CHECKS
from tests.archive.integrity.checks.mutations import BENEATH, rolled_back_session


def found(session: Session, context: CheckContext) -> set[tuple[str, str]]:
    """Return the rows and codes of what the checks find."""
    results = [check.run(RowRange(session, context)) for check in FACT_CHECKS]
    return {(finding.subject, finding.message.code) for one in results for finding in one.findings}


@pytest.mark.slow
def test_a_changed_a_deleted_and_an_invented_sighting_are_told_apart(
    filled: Connection, context: CheckContext
) -> None:
    first = "(SELECT min(id) FROM sightings)"
    copied = "address_id, source, title, first_seen_at, last_seen_at"
    cases = {
        f"UPDATE sightings SET title = 'x' WHERE id = {first}": "fact_changed",
        f"DELETE FROM sightings WHERE id = {first}": "chained_row_gone",
        f"INSERT INTO sightings (url, {copied}) SELECT 'x', {copied} FROM sightings WHERE id = {first}": (
            "fact_in_no_chain"
        ),
    }
    for statement, code in cases.items():
        with rolled_back_session(filled) as session:
            session.execute(text(statement))
            assert [one for _, one in found(session, context)] == [f"archive.integrity.{code}"]


def test_what_the_web_has_just_stored_is_counted_and_is_no_finding(
    filled: Connection, context: CheckContext
) -> None:
    with rolled_back_session(filled) as session:
        new = "INSERT INTO accounts (biz) VALUES ('new') RETURNING id"
        pending = "INSERT INTO pending_facts (fact_kind, fact_id) VALUES ('account', :id)"
        session.execute(text(pending), {"id": session.scalar(text(new))})
        results = [check.run(RowRange(session, context)) for check in FACT_CHECKS]
    assert not any(one.findings for one in results)
    assert sum(one.notes["archive.integrity.note_pending_facts"] for one in results) == 1


def test_entries_of_one_fact_in_two_chains_are_found(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        session.execute(text(BENEATH))
        copied = "position + 100000, content_digest, digest, fact_kind, fact_id"
        session.execute(
            text(
                "INSERT INTO chain_entries (chain_id, position, content_digest, digest, fact_kind, fact_id)"
                f" SELECT (SELECT max(id) FROM chains WHERE id <> chain_id), {copied} FROM chain_entries"
                " WHERE fact_kind = 'account' AND fact_id = (SELECT min(id) FROM accounts)"
            )
        )
        codes = {code for _, code in found(session, context)}
    assert "archive.integrity.fact_in_two_chains" in codes
