"""The way of one post through the program, counted with `sys.setprofile` in all of its processes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(__file__).with_name("tracing_site")
COMMAND = Path(sys.executable).with_name("mparchive")
TIME_LIMIT = 120  # seconds for one command
LIMITS = (97, 685, 900)  # modules, functions and changes of file on the way of one post
AIMS = (60, 350, 900)  # the first two are not reached yet: the limits keep the way from growing


def traced_backfill() -> tuple[int, int, int]:
    """Return the modules, functions and changes of file of `backfill ADDRESS --replay`.

    The archive is there already, and images are left out. Raises CalledProcessError when the command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MPARCHIVE_")},
            "MPARCHIVE_HOME": str(Path(folder) / "home"),
        }
        _run(environment, "status")  # makes the archive
        tracing = {"PYTHONPATH": str(SITE), "TRACE_ROOT": str(ROOT), "TRACE_FILE": str(trace)}
        address = next(
            line
            for line in (ROOT / "cassettes/week.txt").read_text("utf-8").splitlines()
            if line.startswith("http")
        )
        _run(environment | tracing, "backfill", address, "--replay", "cassettes/week-1.yaml", "--no-media")
        lines = [line.split("\t") for line in trace.read_text(encoding="utf-8").splitlines()]
    return (
        len({file for _, file, _, _ in lines}),
        len({(file, function) for _, file, function, _ in lines}),
        sum(changed == "1" for *_, changed in lines),
    )


def _run(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run(
        [COMMAND, *arguments], cwd=ROOT, env=environment, timeout=TIME_LIMIT, check=True, capture_output=True
    )
