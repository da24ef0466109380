"""Tests of what is read from the stand-in's log after several workers, and of the targets."""

from bench.running_workers import Fetched, Takeover
from bench.workers import Found


def fetched(*requests: tuple[str, float, str]) -> Fetched:
    return Fetched([{"client": who, "at": at, "target": what} for who, at, what in requests], 60.0)


ONE = fetched(("a", 0.0, "/s?1"), ("a", 2.0, "/s?2"))
MANY = fetched(*[(who, 2.0 * at, f"/s?{who}{at}") for who in "abcd" for at in (0, 1)])


def found(
    one: Fetched = ONE, many: Fetched = MANY, *, first: float = 50.0, waits: tuple[float, ...] = ()
) -> Found:
    return Found(one, many, Takeover(20, first, first + 40, 1), waits, 100, 0.5)


def test_distances_are_those_between_requests_of_one_address() -> None:
    mixed = fetched(("a", 5.0, "1"), ("b", 5.1, "2"), ("a", 2.0, "3"), ("b", 9.0, "3"))
    assert mixed.distances == {"a": 3.0, "b": 9.0 - 5.1}
    assert (mixed.repeated, mixed.rate) == (["3"], 4.0)


def test_all_targets_are_met() -> None:
    assert (found().ratio, found().problems) == (4.0, [])


def test_each_missed_target_is_named() -> None:
    near = fetched(*[(who, 0.5 * at, f"/s?{who}{at}") for who in "abcd" for at in (0, 1)])
    assert found(many=near).problems == ["two requests 0.50 s apart"]
    assert found(many=ONE).problems == ["1.00 times as many pages, not 3.6"]
    again = fetched(*[(who, 2.0 * at, "/s?1") for who in "abcd" for at in (0, 1)])
    assert found(many=again).problems == ["1 posts fetched twice"]
    assert found(first=61.0).problems == ["taken over after 61 s"]
    assert found(waits=(0.01, 0.2, 0.3)).problems == ["locks waited for too long"]
    assert found(waits=(0.01, 0.02, 0.7)).problems == []
