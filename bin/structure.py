"""Measure the structure of the code against its limits, and fail when one is exceeded: `make structure`."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the traced command is a part of the tests

from tests.support.tracing import AIMS, LIMITS, traced_backfill  # noqa: E402 - as above

PACKAGES = ("archive", "crawler", "mparchive", "scheduler", "web")
MAX_FILES = 355  # the commands and records added since the layout came to be need modules of their own
WANTED_FILES = 260  # the limit above keeps the number from growing
MAX_LINES = 400  # of one module
MIN_LINES = 30  # a shorter module is a fragment ...
MAX_FRAGMENTS = 8  # ... of which there may be some
TESTED_LINES = 60  # a longer module has a test file of its own
MAX_SHARED_NAMES = 20  # public names that several modules define
_OUR_SENTENCES = (  # modules that read what a crawl reports, or show messages
    "scheduler/", "web/pages/render.py", "mparchive/crawl.py",
    "archive/domain/messages.py", "archive/system/catalogues.py",
)  # fmt: skip
_SEPARATELY_TESTED = ("archive/db/migrations", "archive/db/models")  # by test_schema.py, as a whole

Row = tuple[str, str, str, bool]


def modules() -> dict[Path, str]:
    """Return every Python file of the packages with its text."""
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in files}


def sizes(files: dict[Path, str]) -> Iterable[Row]:
    """Count the files, and those that are too long or too short."""
    lines = {path: text.count("\n") for path, text in files.items()}
    long = [str(path) for path, count in lines.items() if count > MAX_LINES]
    short = [str(path) for path, count in lines.items() if count < MIN_LINES and path.name != "__init__.py"]
    missed = "" if len(files) <= WANTED_FILES else f" (aim {WANTED_FILES}, not reached)"
    yield (
        "Python files in the packages",
        f"{len(files)}{missed}",
        f"at most {MAX_FILES}",
        len(files) <= MAX_FILES,
    )
    yield _none(f"modules over {MAX_LINES} lines", long)
    yield (
        *_at_most(f"modules under {MIN_LINES} lines", len(short), MAX_FRAGMENTS)[:3],
        len(short) <= MAX_FRAGMENTS,
    )
    yield _none(
        "loose modules in archive/",
        [str(path) for path in files if path.parent == Path("archive") and path.name != "__init__.py"],
    )


def names(files: dict[Path, str]) -> Iterable[Row]:
    """Count names of public functions and classes that more than one module defines."""
    owners: defaultdict[str, set[Path]] = defaultdict(set)
    for path, text in files.items():
        if "migrations" in path.parts:
            continue  # each defines what Alembic asks for
        for name in _defined(ast.parse(text)):
            owners[name].add(path)
    shared = sorted(name for name, paths in owners.items() if len(paths) > 1)
    yield _at_most(
        f"public functions and classes named in several modules ({', '.join(shared[:30])})",
        len(shared),
        MAX_SHARED_NAMES,
    )


def _defined(tree: ast.Module) -> Iterable[str]:
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found = [name]
            case _:
                found = []
        yield from (name for name in found if not name.startswith("_"))


def tests(files: dict[Path, str]) -> Iterable[Row]:
    """Find modules without a test file of their name."""
    missing = [
        str(path)
        for path, text in files.items()
        if text.count("\n") > TESTED_LINES
        and path.name != "__init__.py"
        and not str(path).startswith(_SEPARATELY_TESTED)
        and not (ROOT / "tests" / path.parent / f"test_{path.name}").exists()
    ]
    yield _none(f"modules over {TESTED_LINES} lines without a test file of their name", missing)


def habits(files: dict[Path, str]) -> Iterable[Row]:
    """Find a second engine factory, and regular expressions where our own sentences are handled."""
    engines = [str(path) for path, text in files.items() for _ in re.findall(r"\bcreate_engine\(", text)]
    yield ("calls of create_engine", str(len(engines)), "1", len(engines) == 1)
    reading = [
        str(path)
        for path, text in files.items()
        if str(path).startswith(_OUR_SENTENCES) and re.search(r"^import re$", text, re.M)
    ]
    yield _none("regular expressions where our own words are handled", reading)
    yield _passes(
        "docstrings (ruff D401, D205, D400)",
        "ruff",
        "check",
        "--select",
        "D401,D205,D400",
        "--output-format",
        "concise",
        ".",
    )
    yield _passes("undeclared imports (deptry)", "deptry", "--no-ansi", ".")


def trace() -> Iterable[Row]:
    """Count what one post passes through."""
    names = ("modules", "functions", "changes of file")
    for name, count, most, wanted in zip(names, traced_backfill(), LIMITS, AIMS, strict=True):
        missed = "" if count <= wanted else f" (aim {wanted}, not reached)"
        yield f"traced way of one post: {name}", f"{count}{missed}", f"at most {most}", count <= most


def _at_most(name: str, count: int, most: int) -> Row:
    return name, str(count), f"at most {most}", count <= most


def _none(name: str, found: list[str]) -> Row:
    return name, str(len(found)) + (f": {', '.join(found[:40])}" if found else ""), "0", not found


def _passes(name: str, *command: str) -> Row:
    tool = Path(sys.executable).with_name(command[0])
    done = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own tools
    problems = sum(
        bool(re.match(r"\S+\.(?:py|toml)\S*:", line)) for line in (done.stdout + done.stderr).splitlines()
    )
    return name, str(problems) if done.returncode else "0", "0", done.returncode == 0


def main() -> None:
    """Print the table; end with 1 when a limit is exceeded."""
    files = modules()
    rows = [*sizes(files), *names(files), *tests(files), *habits(files), *trace()]
    sys.stdout.write("| check | now | wanted |\n|---|---|---|\n")
    for name, now, wanted, good in rows:
        sys.stdout.write(f"| {name} | {now}{'' if good else ' **exceeded**'} | {wanted} |\n")
    raise SystemExit(0 if all(good for *_, good in rows) else 1)


if __name__ == "__main__":
    main()
