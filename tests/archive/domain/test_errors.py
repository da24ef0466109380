"""Test that errors carry a message by code, also from one process to another."""

import pickle

import pytest

from archive.domain.errors import AddressError, ArchiveError, IntegrityError, MediaUnreadable, first_line
from archive.domain.messages import Message


def test_an_error_says_its_message() -> None:
    error = AddressError("archive.address.incomplete", url="https://mp.weixin.qq.com/s?mid=1")
    assert error.message.code == "archive.address.incomplete"
    assert str(error) == str(error.message)
    assert "lacks __biz" in str(error)


def test_an_error_of_another_process_is_the_same_error() -> None:
    reason = Message("archive.body.truncated")
    sent = IntegrityError("archive.capture.damaged", id=7, reason=reason)
    received = pickle.loads(pickle.dumps(sent))
    assert (type(received), received.message, str(received)) == (IntegrityError, sent.message, str(sent))


def test_a_damaged_file_is_caught_as_damage_of_the_archive() -> None:
    with pytest.raises(ArchiveError):
        raise MediaUnreadable("archive.media_file.unreadable", path="a", reason="b")
    assert issubclass(MediaUnreadable, IntegrityError)


def test_the_first_line_of_a_driver_error_is_its_own() -> None:
    class Wrapped(Exception):
        orig = ValueError("server closed the connection\nDETAIL: none")

    assert first_line(Wrapped("(psycopg) …")) == "server closed the connection"
    assert first_line(ValueError(" a\nb")) == "a"
