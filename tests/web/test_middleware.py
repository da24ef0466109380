"""The rate limiter, by a clock that the test sets, and the number of requests in progress."""

import pytest
from sqlalchemy import Engine

from tests.web.served import PATIENCE, TOKEN, served, unfinished_posts
from web.middleware import MAX_CONCURRENT, RateLimiter


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


def test_slow_bodies_do_not_keep_readers_waiting(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.middleware.CONCURRENCY_WAIT", 0.1)
    monkeypatch.setattr("web.inbox.routes.BODY_SECONDS", PATIENCE)
    monkeypatch.setattr("web.inbox.routes.MAX_CLIENT_UNSIGNED", 1000)
    monkeypatch.setattr("web.inbox.routes.MAX_UNSIGNED", 1000)
    with served(engine) as web, unfinished_posts(web, 3 * MAX_CONCURRENT):
        assert web.ask("GET", "/api/v1/posts").status == 200
        assert web.post("https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv").status == 200


@pytest.mark.parametrize(
    "headers", [(), ("Authorization: Bearer wrong-token-0c4d",), (f"Authorization: Bearer {TOKEN}",)]
)
def test_a_hundred_and_fifty_slow_bodies_shut_nobody_out(engine: Engine, headers: tuple[str, ...]) -> None:
    with served(engine) as web, unfinished_posts(web, 150, *headers):
        for path in ("/", "/api/v1/posts", "/feeds/posts.atom", "/livez"):
            assert web.ask("GET", path).status == 200
        filed = web.post("https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv")
        assert filed.status == (429 if TOKEN in str(headers) else 200)  # its owner has filed 60 this minute


def test_an_error_is_answered_and_logged_as_what_it_is(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("web.pages.render._environment.get_template", fail)
    with served(engine) as web:
        assert web.ask("GET", "/health").status == 500
    errors = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert errors == [ZeroDivisionError]
