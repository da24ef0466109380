"""Tell the time: the one clock of the program. Functions that decide take the instant as an argument."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def now(environment: Mapping[str, str] = os.environ) -> datetime:
    """Return the current instant, aware, in UTC.

    With MPARCHIVE_LOOPBACK, which tests set for a server of their own, MPARCHIVE_NOW names a file that holds
    the instant, so that a test can go through months in minutes. It is ignored otherwise.
    """
    named = environment.get("MPARCHIVE_NOW")
    if not named or not environment.get("MPARCHIVE_LOOPBACK"):
        return datetime.now(UTC)
    return datetime.fromisoformat(Path(named).read_text(encoding="ascii").strip()).astimezone(UTC)
