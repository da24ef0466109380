"""Read the pins of a lock file that `bin/lock` wrote."""

import re
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")
_VIA = re.compile(r"    # (?:via|  ) ?(?P<package>[A-Za-z0-9._-]+)(?: \((?P<origin>[^)]+)\))?$")


@dataclass(frozen=True)
class Pin:
    """One package of a lock file, and the names of the packages that require it."""

    name: str
    version: str
    required_by: tuple[str, ...]
    only_builds: bool  # nothing but the dependency group `build` requires it


def pins(path: Path) -> list[Pin]:
    """Return the pins of a lock file in its order. Raises SystemExit when it cannot be read or has none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} cannot be read: {error}") from error
    found: list[tuple[re.Match[str], list[re.Match[str]]]] = []
    for line in lines:
        if pin := _PIN.match(line):
            found.append((pin, []))
        elif found and (via := _VIA.match(line)):
            found[-1][1].append(via)
    if not found:
        raise SystemExit(f"{path} has no pin of the form name==version")
    return [
        Pin(
            pin["name"],
            pin["version"],
            tuple(sorted({via["package"] for via in origins})),
            bool(origins) and all((via["origin"] or "").endswith(":build") for via in origins),
        )
        for pin, origins in found
    ]
