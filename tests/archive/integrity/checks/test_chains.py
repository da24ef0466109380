"""Test the checks of hash chains."""

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks.chains import CHAIN_CHECKS
from tests.archive.integrity.checks.mutations import BENEATH, ids, rolled_back_session


def codes(session: Session, context: CheckContext) -> set[str]:
    results = [check.run(RowRange(session, context)) for check in CHAIN_CHECKS]
    return {finding.message.code for result in results for finding in result.findings}


@pytest.mark.slow
def test_a_row_inserted_past_the_program_is_in_no_chain(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        (id_,) = ids(filled, "versions", most=1)
        copied = "post_id, number + 100, title, text, content_hash, source, recorded_at"
        columns = copied.replace("number + 100", "number")
        copy = f"INSERT INTO versions ({columns}) SELECT {copied} FROM versions WHERE id = :id"
        session.execute(text(copy), {"id": id_})
        assert codes(session, context) == {"archive.integrity.row_in_no_chain"}


def test_a_chain_whose_last_entry_was_removed_has_another_length(
    filled: Connection, context: CheckContext
) -> None:
    with rolled_back_session(filled) as session:
        last = "SELECT max(id) FROM chain_entries GROUP BY chain_id ORDER BY 1 DESC LIMIT 1"
        session.execute(text(BENEATH))
        session.execute(text(f"DELETE FROM chain_entries WHERE id = ({last})"))
        found = codes(session, context)
    assert found == {"archive.integrity.chain_length_differs", "archive.integrity.head_differs"}
