"""Tests of the judgement whether numbers stay the same or grow with something that explains it."""

import pytest

from bench.growth import Sample, level_verdict, rows_verdict


def samples(values: list[float]) -> list[Sample]:
    """Return a sample a week, with five posts each and more and more visits."""
    return [
        Sample(7.0 * week, {"post": 5.0 * week, "visit": 2.0 * week**2, "day": 7.0 * week}, {"x": value})
        for week, value in enumerate(values)
    ]


def test_a_level_is_flat_as_long_as_it_only_varies() -> None:
    assert level_verdict(samples([0, 100, 104, 98, 101, 103, 99, 105]), "x").words == "flat"
    assert level_verdict(samples([1, 1, 2, 1, 3, 2, 6, 5]), "x").is_fine, "a few files are no growth"


def test_a_level_that_rises_is_no_level() -> None:
    verdict = level_verdict(samples([100 + 10 * week for week in range(12)]), "x")
    assert (verdict.is_fine, verdict.words) == (False, "grows: 140.0 to 200.0")


def test_rows_grow_as_what_explains_them() -> None:
    assert rows_verdict(samples([10.0 * week for week in range(12)]), "x").words == "2.00 for each post"
    assert rows_verdict(samples([6.0 * week**2 for week in range(12)]), "x").words == "3.00 for each visit"
    assert rows_verdict(samples([40.0] * 12), "x").words == "flat"


def test_rows_that_grow_faster_than_everything_are_unexplained() -> None:
    verdict = rows_verdict(samples([2.0**week for week in range(12)]), "x")
    assert not verdict.is_fine
    assert verdict.words.startswith("grows unexplained")


def test_a_handful_of_samples_is_no_ground_for_a_judgement() -> None:
    with pytest.raises(ValueError, match="too few"):
        level_verdict(samples([1.0] * 7), "x")
