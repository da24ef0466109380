"""The one clock of a running program; what decides takes its instant as an argument."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def now(environment: Mapping[str, str] = os.environ) -> datetime:
    """Now, as an aware UTC instant.

    Against the stand-in only (MPARCHIVE_LOOPBACK), MPARCHIVE_NOW names a file that holds the instant, so that
    months can be gone through in minutes. Never heeded otherwise: a real page has the real time.
    """
    named = environment.get("MPARCHIVE_NOW")
    if not named or not environment.get("MPARCHIVE_LOOPBACK"):
        return datetime.now(UTC)
    return datetime.fromisoformat(Path(named).read_text(encoding="ascii").strip()).astimezone(UTC)
