"""Test that one post's way through the program stays short enough to follow."""

from tests.support.tracing import LIMITS, traced_backfill


def test_the_way_of_one_post_does_not_grow() -> None:
    counts = traced_backfill()
    assert all(count <= limit for count, limit in zip(counts, LIMITS, strict=True)), counts
    assert min(counts) > 20, "the trace reaches all processes of the command"
