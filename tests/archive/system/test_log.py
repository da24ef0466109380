"""Tests of the log: one line per event, as JSON with typed fields or for people on a terminal."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog

from archive.domain.messages import Message
from archive.system import clock, log

NOW = datetime(2026, 3, 2, 4, 5, 6, 789000, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(log, "_of_process", {})
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def logger() -> Any:
    return structlog.get_logger("scheduler")


def set_up(log_format: log.LogFormat = "json", level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    log.set_up_log(stream, log_format, level, lambda text: text.replace("secret", "***"))
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_a_time_with_offset_a_level_a_stable_event_and_typed_fields() -> None:
    stream = set_up()
    logger().warning(
        "egress backs off",
        action="egress_held",
        until=NOW,
        wait=timedelta(minutes=2),
        counts={"posts": 3, "outcomes": {"article": 2}},
        path=Path("/data"),
        good=False,
        nothing=None,
        reason=Message("archive.outcome.deleted"),
    )
    assert lines(stream) == [
        {
            "at": "2026-03-02T04:05:06.789+00:00",
            "level": "warning",
            "event": "egress_held",
            "message": "egress backs off",
            "until": "2026-03-02T04:05:06.789+00:00",
            "wait": 120.0,
            "counts": {"posts": 3, "outcomes": {"article": 2}},
            "path": "/data",
            "good": False,
            "nothing": None,
            "reason": str(Message("archive.outcome.deleted")),
        }
    ]


def test_a_line_for_people_is_one_line_whatever_the_fields_hold() -> None:
    stream = set_up("human")
    logger().info("crawl\nended", action="crawl_ended", counts={"posts": 3}, title='a "b"\nc', names=["甲"])
    assert stream.getvalue() == (
        "2026-03-02T04:05:06.789+00:00 INFO     crawl ended  event=crawl_ended counts.posts=3"
        ' title="a \\"b\\"\\nc" names=["甲"]\n'
    )


def test_every_later_line_names_the_run_until_it_is_removed() -> None:
    stream = set_up()
    log.add_to_every_line(run=7)
    logger().info("one", action="one")
    logging.getLogger("a.library").warning("two")
    log.add_to_every_line(run=None)
    logger().info("three", action="three")
    assert [line.get("run") for line in lines(stream)] == [7, 7, None]


def test_lines_of_libraries_are_written_from_warning_on_in_the_same_form() -> None:
    stream = set_up()
    logging.getLogger("a.library").info("chatter")
    logging.getLogger("a.library").warning("odd: %s", "x")
    logging.getLogger("archive").info("base damaged", extra={"action": "reference_damaged", "capture": 3})
    of_library, own = lines(stream)
    assert of_library == {
        "at": "2026-03-02T04:05:06.789+00:00",
        "level": "warning",
        "event": log.LIBRARY_LINE,
        "message": "odd: x",
        "logger": "a.library",
    }
    assert (own["event"], own["message"], own["capture"]) == ("reference_damaged", "base damaged", 3)


def test_every_text_is_cleaned_also_in_tracebacks_and_nested_fields() -> None:
    stream = set_up()
    try:
        raise ValueError("a secret")
    except ValueError:
        logger().exception("the secret", action="x", deep=[{"a": "secret"}])
    logging.getLogger("a.library").error("asked with %s", "secret")
    assert "secret" not in stream.getvalue()
    assert "ValueError" in lines(stream)[0]["exception"]


def test_only_the_wanted_level_is_written() -> None:
    stream = set_up(level="ERROR")
    logger().warning("one", action="one")
    logger().error("two", action="two")
    assert [line["event"] for line in lines(stream)] == ["two"]


def test_plain_lines_are_the_sentences_and_the_warnings() -> None:
    stream = set_up("plain")
    logger().info(Message("archive.outcome.deleted"), action="a", count=3)
    logger().info("run started", action="run_started")
    logger().warning("egress backs off", action="egress_held", egress="home")
    assert stream.getvalue().splitlines() == [
        f"12:05:06  {Message('archive.outcome.deleted')}",
        "12:05:06  WARNING  egress backs off  event=egress_held egress=home",
    ]


@pytest.mark.parametrize(("chosen", "expected"), [("", "json"), ("human", "human"), (" JSON ", "json")])
def test_the_variable_decides_else_whether_it_is_a_terminal(chosen: str, expected: str) -> None:
    assert log.format_for(io.StringIO(), {log.FORMAT_VARIABLE: chosen}) == expected
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    assert log.format_for(terminal, {}) == "plain"
    assert log.format_for(terminal, {log.LEVEL_VARIABLE: "DEBUG"}) == "human"


def test_an_unknown_format_is_refused() -> None:
    assert get_args(log.LogFormat) == log.FORMATS
    with pytest.raises(ValueError, match="xml"):
        log.format_for(io.StringIO(), {log.FORMAT_VARIABLE: "xml"})
    stand_in = log.format_for(io.StringIO(), {log.FORMAT_VARIABLE: "xml"}, unknown="human")
    assert stand_in == "human"
