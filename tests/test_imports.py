"""Test rules across modules: who imports whom, where SQL stands, and which modules are pure."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PURE = sorted(
    str(path.relative_to(ROOT))
    for pattern in (
        "archive/domain/*.py",
        "archive/search/query.py",
        "archive/search/results.py",
        "crawler/discovery/sources/*.py",
        "crawler/media/content.py",
        "crawler/media/svg.py",
        "crawler/parse/*.py",
        "scheduler/health.py",
        "scheduler/polling.py",
    )
    for path in ROOT.glob(pattern)
)
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
OUTSIDE = {"io", "os", "pathlib", "random", "shutil", "tempfile", "time", "urllib.request"}
# thread_time tells no time of day, but bounds the processor time of a parser; the others are in memory.
HARMLESS = {"thread_time", "BytesIO", "TextIOWrapper"}


def test_packages_import_only_downwards() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_sql_statements_stand_in_the_repository_only() -> None:
    """Allow SQL also where the database itself is opened, and in read models above the repository."""
    without = ["web", "crawler", "scheduler", "mparchive"]
    without += [f"archive/{package}" for package in ("domain", "storage", "ingest", "export", "rendering")]
    makers = {"select", "text", "insert", "update", "delete"}
    found = [
        f"{path.relative_to(ROOT)}: {alias.name}"
        for package in without
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for alias in node.names
        if alias.name in makers
    ]
    assert found == []


@pytest.mark.parametrize("path", PURE)
def test_pure_modules_ask_no_clock_and_touch_nothing_outside(path: str) -> None:
    assert not list(impurities((ROOT / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from pathlib import Path",
        "datetime.now(UTC)",
        "date.today()",
        "open('x')",
        "import time",
    ],
)
def test_an_impure_line_is_noticed(source: str) -> None:
    assert list(impurities(source))


def impurities(source: str) -> list[str]:
    """Find imports of what reaches outside, calls of clocks and of open()."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in OUTSIDE]
        elif isinstance(node, ast.ImportFrom) and node.module in OUTSIDE:
            found += [node.module for alias in node.names if alias.name not in HARMLESS]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            found.append(node.func.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found.append("open")
    return found
