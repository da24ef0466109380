"""Write the parts of docs/reference/performance.md: each measurement replaces its own and no other."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from bench.ways import ROOT

REPORT = ROOT / "docs" / "reference" / "performance.md"
_HEADINGS = re.compile(r"^(?=##? )", re.MULTILINE)


def write_part(text: str, report: Path = REPORT) -> None:
    """Replace the part of a report that has the same first heading, or add it."""
    written = report.read_text(encoding="utf-8") if report.exists() else ""
    heading = text.partition("\n")[0]
    parts = [part.strip() for part in _HEADINGS.split(written) if part.strip()]
    here = [place for place, part in enumerate(parts) if part.partition("\n")[0] == heading]
    if here:
        parts[here[0]] = text.strip()
    else:
        parts.insert(0 if heading.startswith("# ") else len(parts), text.strip())
    report.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def machine() -> str:
    """Return a short description of the machine."""
    return f"{os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}"


def today() -> str:
    """Return the date, in UTC."""
    return str(datetime.now(UTC).date())


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
