from datetime import UTC, datetime, timedelta

import pytest

from crawler.download.middlewares import MAX_PAUSE, retry_after, retry_pause

NOW = datetime(2026, 7, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"7", 7.0),
        (b" 0 ", 0.0),
        (b"Fri, 31 Jul 2026 12:01:30 GMT", 90.0),
        (b"Fri, 31 Jul 2026 11:00:00 GMT", 0.0),
        (b"soon", None),
        (b"-3", None),
        (b"", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(value, seconds):
    assert retry_after(value, NOW) == seconds


def test_pauses_double_and_are_bounded():
    pauses = [retry_pause(tries, timedelta(seconds=2)) for tries in range(1, 12)]
    assert all(0.9 * 2**n <= pause <= 1.1 * 2**n for n, pause in enumerate(pauses[:5], start=1))
    assert all(pause <= MAX_PAUSE.total_seconds() * 1.1 for pause in pauses)
