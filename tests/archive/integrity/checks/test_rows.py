"""Test the checks of references and the search index."""

import pytest
from sqlalchemy import Connection, text

from archive.db.models import Base
from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks.rows import check_references, check_search_index
from tests.archive.integrity.checks.mutations import ids, rolled_back_session

TABLES = Base.metadata.tables
IS_DELTA = "sha256 IN (SELECT sha256 FROM bodies WHERE base_sha256 IS NOT NULL)"


@pytest.mark.slow
def test_a_delta_whose_base_is_itself_a_delta_is_found(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        first, second = ids(filled, "captures", IS_DELTA, 2)
        of = "(SELECT sha256 FROM captures WHERE id = :{0})"
        against = f"UPDATE bodies SET base_sha256 = {of.format('base')} WHERE sha256 = {of.format('id')}"
        session.execute(text(against), {"base": first, "id": second})
        result = check_references(TABLES["captures"], RowRange(session, context, second - 1, second))
    assert [one.message.code for one in result.findings] == ["archive.integrity.base_is_delta"]


def test_a_post_that_search_has_lost_is_found(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        (id_,) = ids(filled, "posts", most=1)
        session.execute(text("DELETE FROM post_search_documents WHERE post_id = :id"), {"id": id_})
        result = check_search_index(RowRange(session, context))
    assert [(one.id, one.message.code) for one in result.findings] == [
        (id_, "archive.integrity.search_differs")
    ]
