"""The rate limiter, by a clock that the test sets."""

from web.middleware import RateLimiter


def test_the_rate_limit_holds_in_every_window() -> None:
    clock = [0.0]
    limit = RateLimiter(2, 60, lambda: clock[0])
    assert limit.take() == 0
    clock[0] = 50
    assert limit.take() == 0
    assert limit.take() == 10
    clock[0] = 60
    assert limit.take() == 0
    assert limit.take() == 50
