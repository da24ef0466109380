"""Days of simulated decisions: who is asked when, and what that finds, by the injected clock."""

from datetime import timedelta
from pathlib import Path

from tests.month.decisions import DAY, HOUR, Fault, World, coverage, measure
from tests.month.plans import START, fifty_accounts, run_month, two_accounts

STEP = timedelta(minutes=3)


def test_new_posts_are_archived_within_the_hour_by_few_requests(tmp_path: Path) -> None:
    world = run_month(tmp_path, 8, two_accounts(8), [], STEP)
    found = measure(world)
    assert found.archived == found.published > 20
    assert found.quantile(0.5) < HOUR
    assert found.quantile(0.95) < 4 * HOUR
    assert found.requests_a_post <= 3
    assert found.most_looks <= 12
    assert not found.alarms
    assert {row.source for row in coverage(world)} >= {"weread", "album:3900000000000000011"}


def test_a_login_that_expired_is_one_alarm_of_its_account_and_ends_with_the_next_sign_in(
    tmp_path: Path,
) -> None:
    begin = START + 2 * DAY
    expired = Fault(
        "login expired",
        begin,
        begin + DAY / 2,
        lambda world: world.strike("weread", "signed_out"),
        World.sign_in_again,
    )
    subjects = two_accounts(4)[:1]
    world = run_month(tmp_path, 4, subjects, [expired], STEP)
    found = measure(world, margin=DAY / 2)
    assert found.archived == found.published, "by the album and the feed, or when the login works again"
    (alarm,) = found.alarms
    assert begin < alarm.begin < begin + DAY / 2
    assert alarm.end is not None
    assert alarm.end < begin + DAY / 2 + 2 * HOUR
    assert alarm.has_remedy


def test_accounts_that_share_a_login_are_all_asked_and_the_busy_ones_most(tmp_path: Path) -> None:
    subjects = fifty_accounts(5)[::5]
    world = run_month(tmp_path, 5, subjects, [], 5 * STEP)
    found = measure(world)
    looks = [found.looks_by_account[one.config.biz] for one in subjects]
    assert found.most_looks <= 12
    assert sum(looks) >= 5 * 12 * 0.8, "the looks that there may be are used"
    assert min(looks) > 0
    assert sum(looks[-3:]) > 1.5 * sum(looks[:3])
