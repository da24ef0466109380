"""Test that every damage to a row is found, and that the finding names the row."""

import re

import pytest
from sqlalchemy import Connection

from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks import ALL_CHECKS
from tests.archive.integrity.checks.mutations import FAMILIES, Mutation, findings_of, rolled_back_session

MIN_MUTATIONS = 500


def is_found(connection: Connection, context: CheckContext, mutation: Mutation) -> bool:
    with rolled_back_session(connection) as session:
        for statement in mutation.statements:
            session.connection().exec_driver_sql(statement)
        named = re.compile(rf"\b{mutation.names}\b")
        return any(named.search(str(finding)) for finding in findings_of(session, context, mutation))


def test_an_archive_that_nobody_touched_is_sound(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        results = [check.run(RowRange(session, context)) for check in ALL_CHECKS]
    assert [finding for result in results for finding in result.findings] == []
    assert min(result.rows for result in results) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_every_damage_to_a_row_is_found_and_the_row_is_named(
    filled: Connection, context: CheckContext, family: str
) -> None:
    mutations = list(FAMILIES[family](filled))
    assert [mutation for mutation in mutations if not is_found(filled, context, mutation)] == []


def test_more_than_five_hundred_damages_are_tried(filled: Connection) -> None:
    counts = {name: len(list(family(filled))) for name, family in FAMILIES.items()}
    assert sum(counts.values()) >= MIN_MUTATIONS, counts
