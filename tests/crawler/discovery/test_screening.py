from datetime import timedelta
from typing import Any

import pytest

from archive.domain.messages import Message
from crawler.discovery.screening import MAX_POSTS, Screened, screen
from crawler.discovery.source import ListedPost, SourceFindings, State
from tests.crawler.discovery.driving import BIZ, NOW, OTHER, post_url

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"


def screened(*seen: ListedPost, **more: Any) -> Screened:
    return screen(SourceFindings(**{"state": State.OK, "posts": seen} | more), BIZ, "album:1", NOW)


def test_posts_of_the_account_become_sightings() -> None:
    at = NOW - timedelta(hours=3)
    result = screened(ListedPost(post_url(1), "合成", at, {"key": "1"}), ListedPost(SHORT))
    long, short = result.sightings
    assert (long.address.aid, long.title, long.source, long.seen_at) == (
        "2650000001_1",
        "合成",
        "album:1",
        NOW,
    )
    assert long.listing == {"key": "1", "published_at": at.isoformat()}
    assert (short.address.token, short.listing) == ("AbCdEfGhIjKlMnOpQrStUv", None)
    assert {one.expected_biz for one in result.sightings} == {BIZ}
    assert (result.findings.state, result.findings.newest, result.findings.advice) == (State.OK, at, None)


def test_a_post_of_another_account_is_left_out_and_said() -> None:
    result = screened(ListedPost(post_url(1)), ListedPost(post_url(2)), ListedPost(post_url(3, OTHER)))
    assert len(result.sightings) == 2
    assert result.findings.state is State.OK
    assert "1 post of another account" in str(result.findings.advice)


def test_a_source_that_mostly_lists_another_account_is_foreign() -> None:
    result = screened(ListedPost(post_url(1)), ListedPost(post_url(2, OTHER)), ListedPost(post_url(3, OTHER)))
    assert result.findings.state is State.FOREIGN
    assert "2 of 3" in str(result.findings.detail)
    assert len(result.sightings) == 1


def test_what_was_not_believed_is_read_again_though_it_has_not_changed() -> None:
    marks = {"etag": '"v1"', "modified": "Sun, 01 Mar 2026 02:00:00 GMT", "resolved": {}}
    own, other = ListedPost(post_url(1)), ListedPost(post_url(2, OTHER))
    assert screened(own, memory=marks).findings.memory == marks
    assert screened(own, other, other, memory=marks).findings.memory == {"resolved": {}}
    later = ListedPost(post_url(3), published_at=NOW + timedelta(days=3))
    assert screened(own, later, memory=marks).findings.memory == {"resolved": {}}


def test_links_in_an_entrys_words_do_not_make_a_source_foreign() -> None:
    aside = [ListedPost(post_url(n, OTHER), aside=True) for n in range(5)]
    assert screened(ListedPost(post_url(1)), *aside).findings.state is State.OK


def test_a_date_in_the_future_is_not_believed() -> None:
    soon, later = NOW + timedelta(hours=23), NOW + timedelta(days=2)
    result = screened(ListedPost(post_url(1), published_at=soon), ListedPost(post_url(2), published_at=later))
    assert [one.address.aid for one in result.sightings] == ["2650000001_1"]
    assert result.findings.newest == soon
    assert "in the future" in str(result.findings.advice)


def test_a_list_of_nothing_that_can_be_believed_is_no_success() -> None:
    result = screened(ListedPost(post_url(1), published_at=NOW + timedelta(days=900)))
    assert (result.findings.state, result.findings.newest, result.sightings) == (
        State.NOT_UNDERSTOOD,
        None,
        (),
    )


def test_what_is_no_address_of_a_post_is_left_out() -> None:
    result = screened(
        ListedPost(post_url(1)),
        ListedPost("https://mp.weixin.qq.com/mp/homepage?x=1"),
        ListedPost("x" * 9000),
    )
    assert len(result.sightings) == 1
    assert "2 addresses of no post" in str(result.findings.advice)


@pytest.mark.slow
def test_titles_listings_and_numbers_are_bounded() -> None:
    result = screened(ListedPost(post_url(1), "长" * 9000, listing={"digest": "x" * 9000}))
    assert len(result.sightings[0].title) == 500
    assert result.sightings[0].listing == {"left_out": "too long"}
    many = screened(*(ListedPost(post_url(n)) for n in range(MAX_POSTS + 3)))
    assert len(many.sightings) == MAX_POSTS
    assert "3 posts beyond" in str(many.findings.advice)


def test_an_address_listed_twice_is_one_sighting() -> None:
    assert len(screened(ListedPost(post_url(1), "一"), ListedPost(post_url(1), "二")).sightings) == 1


def test_a_state_that_is_not_good_stays_what_it_is() -> None:
    result = screened(
        ListedPost(post_url(1, OTHER)),
        state=State.LOGIN_EXPIRED,
        detail=Message("archive.verbatim", {"text": "why"}),
    )
    assert (result.findings.state, result.findings.detail) == (
        State.LOGIN_EXPIRED,
        Message("archive.verbatim", {"text": "why"}),
    )
