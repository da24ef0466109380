"""Tests of the storage per page: real pages of 2025 and later, and made-up pages of a year."""

from sqlalchemy import Engine

from bench.space import SINCE, TARGETS, measured, served_since
from bench.yearly_space import MOST_SHARE, measured_year
from tests.support.captures import needs_captures


@needs_captures
def test_a_delta_takes_at_most_a_tenth_of_its_warc_record(engine: Engine) -> None:
    found = measured(engine, served_since(SINCE), reads=1)  # raises on other bytes
    deltas = [one for one in found if not one.is_reference]
    assert len(deltas) > 2 * (len(found) - len(deltas)) > 0
    assert [one.page for one in deltas if one.share > TARGETS["share"]] == []
    assert sum(one.stored for one in found) < sum(one.plain for one in found) / 3


def test_a_new_template_costs_a_delta_base_and_further_pages_little(engine: Engine) -> None:
    found = measured_year(engine, number=60, weight=300_000, templates=2)
    assert (found.pages, found.bases) == (60, 2)
    assert 0 < found.share < MOST_SHARE
