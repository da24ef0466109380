"""Test what outcomes mean for a crawl and for a post."""

import pytest

from archive.domain.outcomes import AWAY, BLOCKING, MediumType, Outcome, Role


def test_outcomes_that_block_are_not_final_and_say_nothing_of_the_post() -> None:
    assert {"verification", "rate_limited"} == BLOCKING
    assert not [one for one in Outcome if one.blocks and (one.is_final or one.is_away)]


@pytest.mark.parametrize("outcome", [Outcome.EXPIRED_LINK, Outcome.BAD_REQUEST, Outcome.ARTICLE])
def test_a_final_outcome_of_an_address_may_say_nothing_of_the_post_being_away(outcome: Outcome) -> None:
    assert (outcome.is_final, outcome.is_away) == (True, False)


def test_a_post_is_away_by_five_outcomes_all_of_them_final() -> None:
    assert {"deleted", "violation", "unavailable", "migrated", "private"} == AWAY
    assert all(Outcome(one).is_final for one in AWAY)


def test_covers_and_posters_are_images() -> None:
    types = {role: role.type for role in Role}
    assert [role for role, type_ in types.items() if type_ is MediumType.IMAGE] == [
        "image",
        "cover",
        "poster",
    ]
    assert (types[Role.AUDIO], types[Role.VIDEO]) == (MediumType.AUDIO, MediumType.VIDEO)
