"""Test that every damage to a row of evidence is found, and that the finding names the row."""

import re

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks import ALL_CHECKS
from tests.archive.integrity.checks.forgeries import forged
from tests.archive.integrity.checks.mutations import (
    FAMILIES,
    Mutation,
    evidence_columns,
    findings_of,
    rolled_back_session,
)

pytestmark = pytest.mark.slow

MIN_MUTATIONS = 600

ALL_FAMILIES = {**FAMILIES, "forged": forged}


def is_found(connection: Connection, context: CheckContext, mutation: Mutation) -> bool:
    """Tell whether a finding names one of the rows, or a constraint refuses the damage."""
    named = re.compile("|".join(rf"\b{name}\b" for name in mutation.names))
    try:
        with rolled_back_session(connection) as session:
            for statement in mutation.statements:
                session.connection().exec_driver_sql(statement)
            return any(named.search(str(finding)) for finding in findings_of(session, context, mutation))
    except DBAPIError as error:
        if not (getattr(error.orig, "sqlstate", None) or "").startswith("23"):
            raise
        return True


def test_an_archive_that_nobody_touched_is_sound(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        results = [check.run(RowRange(session, context)) for check in ALL_CHECKS]
    assert [finding for result in results for finding in result.findings] == []
    counted = zip(ALL_CHECKS, results, strict=True)
    assert [(check.name, check.table) for check, result in counted if not result.rows] == []


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_every_damage_to_a_row_is_found_and_the_row_is_named(
    filled: Connection, context: CheckContext, family: str
) -> None:
    mutations = list(ALL_FAMILIES[family](filled))
    assert [mutation for mutation in mutations if not is_found(filled, context, mutation)] == []


def test_more_than_six_hundred_damages_are_tried_to_every_column_of_evidence(filled: Connection) -> None:
    counts = {name: len(list(family(filled))) for name, family in ALL_FAMILIES.items()}
    assert sum(counts.values()) >= MIN_MUTATIONS, counts
    statements = [statement for mutation in FAMILIES["changed"](filled) for statement in mutation.statements]
    for column in evidence_columns():
        update = f"UPDATE {column.table.name} SET {column.name} = "
        assert any(statement.startswith(update) for statement in statements), column
