"""Test messages: their words in both languages, and how they are stored."""

from datetime import UTC, datetime

import pytest

from archive.domain.messages import Message

AT = datetime(2026, 3, 1, 18, tzinfo=UTC)


def test_a_message_speaks_both_languages() -> None:
    message = Message("archive.capture.missing", {"id": 7})
    assert (str(message), message.text("zh")) == ("there is no capture 7", "没有编号为 7 的抓取记录")


def test_a_message_within_a_message_speaks_the_same_language() -> None:
    inner = Message("archive.body.wrong_hash")
    assert "哈希值" in Message("archive.capture.damaged", {"id": 7, "reason": inner}).text("zh")


def test_an_instant_is_shown_in_shanghai_time() -> None:
    assert "2026-03-02 02:00" in str(Message("archive.status.source_silent", {"account": "a", "since": AT}))


def test_a_code_without_words_is_shown_with_its_parameters() -> None:
    assert str(Message("archive.no.such", {"a": 1})) == "archive.no.such a=1"


@pytest.mark.parametrize(
    "message",
    [
        Message("archive.body.wrong_hash"),
        Message("archive.capture.damaged", {"id": 7, "reason": Message("archive.body.truncated")}),
        Message("archive.status.source_silent", {"account": "账号", "since": AT}),
    ],
)
def test_a_stored_message_comes_back_equal(message: Message) -> None:
    assert Message.load(message.dump()) == message
    assert Message.from_json(message.as_json()) == message


@pytest.mark.parametrize(
    "stored", ["该内容已被发布者删除", "no.such code", "archive.body.wrong_hash {broken"]
)
def test_any_other_stored_text_stays_as_it_is(stored: str) -> None:
    assert str(Message.load(stored)) == Message.load(stored).text("zh") == stored


def test_no_reason_is_no_message() -> None:
    assert not Message.load("")
    assert str(Message.load("")) == ""
    assert Message("archive.body.wrong_hash")
