from dataclasses import replace

import pytest

from bench.arithmetic import SCALING, Assumed, measured, report


def test_the_document_says_what_follows_from_the_measurements() -> None:
    written = SCALING.read_text(encoding="utf-8")
    assert report(Assumed(), measured()).strip() in written, "run `python -m bench.arithmetic`"


def test_sizes_grow_with_what_is_assumed_and_measured() -> None:
    found = replace(measured(), page_bytes=20_000, capture_bytes=1_000)
    text = report(Assumed(accounts=1000, years=1, posts_a_year=1000, captures_of_a_post=3), found)
    assert "are 1,000,000 posts and\n3,000,000 captures" in text
    assert "| bodies of pages | 0.06 |" in text
    assert "| captures | 0.00 |" in text


@pytest.mark.parametrize(("checks", "egresses"), [(1, 1), (10, 1), (11, 2), (60, 6)])
def test_egresses_are_counted_in_whole_ones(checks: int, egresses: int) -> None:
    text = report(Assumed(accounts=24 * 60, checks_a_day=checks), measured())
    assert f"{checks} a day | {checks} | {egresses}, if all go to WeChat |" in text
