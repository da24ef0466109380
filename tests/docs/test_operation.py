"""What operators match on: the keys of alarms, the words of the log, the names of metrics."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from archive.domain.monitoring import SourceStatus
from archive.reports.metrics import ArchiveMetrics
from scheduler.health import AccountVitals, Bounds, LineVitals, Vitals, findings
from tests.docs.markdown import ROOT, rows, spans, told

OPERATION = told(ROOT / "docs" / "how-to" / "operate.md")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
ROOMS = ("archive/web", "scheduler", "mparchive")  # whose log an operator of the daemon reads


def below(heading: str) -> list[str]:
    """The first cells of the tables below a heading, what stands as code in them."""
    section = re.split(r"^## ", OPERATION, flags=re.MULTILINE)
    (found,) = [part for part in section if part.startswith(f"{heading}\n")]
    return [span for cells in rows(found)[1:] for span in spans(cells[0])]


def test_every_alarm_has_a_row_by_its_key_and_no_other_has() -> None:
    source = SourceStatus("B", "name", "album:1", state="refused", last_tried_at=NOW, failures=9)
    everything = Vitals(
        accounts=[AccountVitals("B", "name", NOW - timedelta(days=99), (), [source])],
        held=[LineVitals("default", "verification", NOW, 1)],
        free={"/data": 0},
        failed_jobs={"fetch": 1},
        config_problem="x",
        alarm_problem="x",
        inbox_problem="x",
    )
    kinds = {one.key.partition(":")[0] for one in findings(everything, Bounds(), NOW)}
    assert {key.partition(":")[0] for key in below("Alarms")} == kinds


def test_every_word_of_the_log_has_a_row_and_no_other_has() -> None:
    written = {word for room in ROOMS for path in (ROOT / room).rglob("*.py") for word in actions(told(path))}
    assert set(below("The log")) == written


def test_every_metric_has_a_row_and_no_other_has(engine: Engine) -> None:
    exported = {one.name for one in ArchiveMetrics(engine, lambda: NOW).collect()}
    assert {name.partition("{")[0] for name in below("Metrics")} == exported
    drawn = {
        name
        for panel in json.loads(told(ROOT / "docs" / "grafana.json"))["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bmparchive_\w+", target["expr"])
    }
    assert drawn == exported


def actions(source: str) -> Iterator[str]:
    """The words that a module logs as `action`, or hands over to be logged so."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "action" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
        elif isinstance(node, ast.Constant) and re.fullmatch("[a-z]+_ended", str(node.value)):
            yield str(node.value)
