import pytest

from crawler.run_stats import EXIT_CODES, Tally, verdict_of


def counts(wanted: int, fetched: int, failed: int) -> dict[str, int]:
    return {"wanted": wanted, "fetched": fetched, "failed": failed}


@pytest.mark.parametrize(
    ("reason", "numbers", "verdict"),
    [
        ("finished", counts(3, 3, 0), "done"),
        ("finished", counts(3, 2, 1), "partly_failed"),
        ("finished", counts(3, 2, 0), "partly_failed"),
        ("finished", counts(3, 0, 3), "nothing_fetched"),
        ("finished", counts(0, 0, 0), "nothing_due"),
        ("unreachable", counts(9, 0, 5), "nothing_fetched"),
        ("unreachable", counts(9, 2, 5), "partly_failed"),
        ("verification", counts(3, 3, 0), "verification"),
        ("rate_limited", counts(3, 0, 1), "rate_limited"),
        ("shutdown", counts(3, 3, 0), "stopped"),
        ("database", counts(3, 3, 0), "database"),
        ("usage", counts(0, 0, 0), "usage"),
        ("cassette_miss", counts(3, 3, 0), "failed"),
        ("worker_died", counts(3, 3, 0), "failed"),
        ("memusage_exceeded", counts(3, 3, 0), "failed"),
    ],
)
def test_the_verdict_follows_from_why_the_run_ended_and_what_it_got(reason, numbers, verdict):
    assert verdict_of(reason, numbers) == verdict
    assert verdict in EXIT_CODES


def test_a_rendered_answer_takes_the_place_of_the_plain_one():
    tally = Tally()
    tally.record(1, "unknown", "not_a_post")
    tally.record(1, "article", "new")
    tally.record(2, "deleted", "not_a_post")
    assert tally.done == 2
    assert tally.counts(2) == {
        "wanted": 2,
        "fetched": 2,
        "failed": 0,
        "outcomes": {"article": 1, "deleted": 1},
        "stored": {"new": 1, "not_a_post": 1},
    }


def test_a_post_that_was_new_stays_new_when_its_rendering_says_the_same():
    tally = Tally()
    tally.record(1, "article", "new")
    tally.record(1, "article", "unchanged")
    assert tally.counts(1)["stored"] == {"new": 1}


def test_unknown_and_blocked_addresses_are_not_counted_as_fetched():
    tally = Tally()
    for number, outcome in enumerate(["article", "unknown", "verification", "failed"]):
        tally.record(number, outcome, "")
    assert (tally.counts(4)["fetched"], tally.counts(4)["failed"]) == (1, 3)
