"""Tests of what the simulated year publishes, and how often its posts are visited."""

from datetime import timedelta

from bench.year import REVISIT_HOURS, visits_until, year_pushes
from tests.month.simulation import DAY, START, Push
from tests.standin.account import COMMISSION, NEIGHBOUR


def test_two_accounts_push_in_order_and_no_number_comes_twice() -> None:
    made = year_pushes(365)
    assert [one.at for one in made] == sorted(one.at for one in made)
    assert len({one.number for one in made}) == len(made)
    of_neighbour = sum(one.account == NEIGHBOUR for one in made)
    assert 150 < of_neighbour < 220
    assert sum(one.account == COMMISSION for one in made) > 350
    assert all(START <= one.at < START + 365 * DAY for one in made)


def test_visits_follow_the_ages_at_which_posts_are_fetched_again() -> None:
    push = [Push(1, START, 2)]
    assert visits_until(push, START - DAY) == 0
    assert visits_until(push, START) == 2
    assert visits_until(push, START + timedelta(hours=REVISIT_HOURS)) == 4
    assert visits_until(push, START + 400 * DAY) == 2 * (1 + 6), "72, 168, 720, 2160, 4320 and 8760 hours"
