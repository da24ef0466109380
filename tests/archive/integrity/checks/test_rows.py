"""Test the checks of references and the search index."""

from sqlalchemy import Connection, text

from archive.db.models import Base
from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks.rows import check_references, check_search_index
from tests.archive.integrity.checks.mutations import ids, rolled_back_session

TABLES = Base.metadata.tables


def test_a_delta_whose_base_is_itself_a_delta_is_found(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        first, second = ids(filled, "captures", "reference_id IS NOT NULL", 2)
        values = {"base": first, "id": second}
        session.execute(text("UPDATE captures SET reference_id = :base WHERE id = :id"), values)
        result = check_references(TABLES["captures"], RowRange(session, context, second - 1, second))
    assert [one.message.code for one in result.findings] == ["archive.integrity.base_is_delta"]


def test_a_post_that_search_has_lost_is_found(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        (id_,) = ids(filled, "posts", most=1)
        session.execute(text("DELETE FROM post_words WHERE post_id = :id"), {"id": id_})
        result = check_search_index(RowRange(session, context))
    assert [(one.id, one.message.code) for one in result.findings] == [
        (id_, "archive.integrity.search_differs")
    ]
