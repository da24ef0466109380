"""Tests of the storage per page, on real pages of 2025 and later in the order they were served."""

from sqlalchemy import Engine

from bench.space import SINCE, TARGETS, measured, served_since
from tests.support.captures import needs_captures


@needs_captures
def test_a_delta_takes_at_most_a_tenth_of_its_warc_record(engine: Engine) -> None:
    found = measured(engine, served_since(SINCE), reads=1)  # raises on other bytes
    deltas = [one for one in found if not one.is_reference]
    assert len(deltas) > 2 * (len(found) - len(deltas)) > 0
    assert [one.page for one in deltas if one.share > TARGETS["share"]] == []
    assert sum(one.stored for one in found) < sum(one.plain for one in found) / 3
