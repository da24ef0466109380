"""The real pages of 2025 and later, in the order they were served: what each takes; exact on return."""

from sqlalchemy import Engine

from bench.space import SINCE, WANTED, measured, served_since
from tests.support.captures import needs_captures


@needs_captures
def test_a_further_page_takes_at_most_a_tenth_of_its_warc_record(engine: Engine) -> None:
    found = measured(engine, served_since(SINCE), reads=1)  # raises where other bytes come back
    further = [one for one in found if not one.is_reference]
    assert len(further) > 2 * (len(found) - len(further)) > 0
    assert [one.page for one in further if one.share > WANTED["share"]] == []
    assert sum(one.stored for one in found) < sum(one.plain for one in found) / 3
