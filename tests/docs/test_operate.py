"""Tests that docs/how-to/operate.md has every key of an alarm, word of the log and metric, and no other."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from archive.domain.messages import Message
from archive.domain.monitoring import AnnouncedPost, SourceStatus
from archive.reports.metrics import ArchiveMetrics
from archive.repository import served_posts
from archive.system.log import LIBRARY_LINE
from scheduler.health import (
    AccountHealth,
    BlockedEgress,
    Bounds,
    HealthSnapshot,
    LoginHealth,
    health_problems,
)
from tests.docs.markdown import DOCS, ROOT, rows, spans, text_of

OPERATE = text_of(DOCS / "how-to" / "operate.md")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
RUNBOOK_SECTIONS = ["What it means", "How to see it", "What to do", "How to know that it is over"]
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
LOGGING_PACKAGES = ("archive", "crawler", "web", "scheduler", "mparchive")


def first_cells(heading: str) -> list[str]:
    """Return the code in the first cells of the tables below a heading."""
    sections = re.split(r"^## ", OPERATE, flags=re.MULTILINE)
    (section,) = [one for one in sections if one.startswith(f"{heading}\n")]
    return [span for cells in rows(section)[1:] for span in spans(cells[0])]


def test_every_alarm_has_a_row() -> None:
    source = SourceStatus("B", "name", "album:1", state="refused", last_tried_at=NOW, failures=9)
    working = replace(source, state="ok", failures=0, last_good_at=NOW)
    everything = HealthSnapshot(
        accounts=[
            AccountHealth("B", "name", NOW - timedelta(days=99), (), [source]),
            AccountHealth("C", "name", NOW - timedelta(days=99), (), [working]),
            AccountHealth("D", "name", None, (), [], unwatched=Message.load("x")),
            AccountHealth("E", "name", announced=[AnnouncedPost("weread", "x", NOW, NOW - timedelta(1))]),
        ],
        blocked=[BlockedEgress("default", "verification", NOW, 1)],
        logins=[LoginHealth("default", "captcha")],
        free={"/data": 0},
        failed_jobs={"fetch": 1},
        config_problem=Message.load("x"),
        alarm_problem=Message.load("x"),
        inbox_problem=Message.load("x"),
    )
    kinds = {one.key.partition(":")[0] for one in health_problems(everything, Bounds(), NOW)}
    kinds.add(served_posts.SUBJECT.key)
    assert {key.partition(":")[0] for key in first_cells("Alarms")} == kinds
    pages = {path.stem: text_of(path) for path in (DOCS / "runbook").glob("*.md") if path.stem != "README"}
    assert kinds == pages.keys() - {"database"}  # which no alarm of the program itself can report
    assert all(list(_SECTION.findall(page)) == RUNBOOK_SECTIONS for page in pages.values())


@pytest.mark.slow
def test_every_word_of_the_log_has_a_row() -> None:
    files = [path for package in LOGGING_PACKAGES for path in (ROOT / package).rglob("*.py")]
    logged = {word for path in files for word in actions(text_of(path))}
    assert set(first_cells("The log")) == logged | {LIBRARY_LINE}


def test_every_metric_has_a_row_and_a_panel(engine: Engine) -> None:
    exported = {one.name for one in ArchiveMetrics(engine, lambda: NOW).collect()}
    assert {name.partition("{")[0] for name in first_cells("Metrics")} == exported
    shown = {
        name
        for panel in json.loads(text_of(DOCS / "grafana.json"))["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bmparchive_\w+", target["expr"])
    }
    assert shown == exported


def actions(source: str) -> Iterator[str]:
    """Yield the words that a module logs as `action`, or passes on to be logged so."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "action" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
        elif isinstance(node, ast.Constant) and re.fullmatch("[a-z]+_ended", str(node.value)):
            yield str(node.value)
        elif isinstance(node, ast.Dict) and "extra=" in source and (event := by_key(node).get("action")):
            yield event
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("crawl_failed"):
            yield ast.literal_eval(node.args[0])


def by_key(node: ast.Dict) -> dict[str, str]:
    """Return the constants of a dictionary by their keys."""
    pairs = zip(node.keys, node.values, strict=True)
    return {
        str(k.value): str(v.value)
        for k, v in pairs
        if isinstance(k, ast.Constant) and isinstance(v, ast.Constant)
    }
