"""Compare the pins of the lock files with the list of known vulnerabilities, docs/reference/advisories.toml.

Needs no network. Ends with 1 when a pin is affected, when a package that users install was never looked up,
or when a lock file cannot be read; with 2 when the list cannot be read. Entries that were judged harmless
have a reason in the list; they are named, and do not change the exit code.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from pins import Pin, pins

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "docs" / "reference" / "advisories.toml"
FOR_USERS = "requirements.txt"  # every package of it must have been looked up
LOCKS = (FOR_USERS, "requirements-dev.txt", "requirements-image.txt", "requirements-build.txt")
PACKAGES = ("archive", "crawler", "mparchive", "scheduler", "web")


@dataclass(frozen=True)
class Advisory:
    """One known vulnerability of a package, and the versions that have it."""

    package: str
    ids: tuple[str, ...]
    affected: SpecifierSet
    harmless: str  # why it does not matter here; empty if it does
    unused: re.Pattern[str] | None  # what the program must not use, or the advisory matters after all

    def affects(self, pin: Pin) -> bool:
        """Tell whether the pinned version has the vulnerability."""
        return self.affected.contains(pin.version, prereleases=True)


@dataclass(frozen=True)
class AdvisoryList:
    """The list, the day it was made, up to which day its sources reach, and which packages were looked up.

    The sources of packages without an advisory may reach less far.
    """

    made: date
    reaches: date
    without_reaches: date
    packages: frozenset[str]
    advisories: tuple[Advisory, ...]

    def of(self, pin: Pin) -> Iterator[Advisory]:
        """Yield the advisories that affect a pin."""
        name = canonicalize_name(pin.name)
        return (entry for entry in self.advisories if entry.package == name and entry.affects(pin))


class BadListError(ValueError):
    """The list of advisories is not of the form that its head describes."""


def read_list(path: Path) -> AdvisoryList:
    """Read the list. Raises BadListError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        advisories = tuple(
            Advisory(
                canonicalize_name(package),
                tuple(entry["ids"]),
                SpecifierSet(entry["affected"]),
                entry.get("harmless", ""),
                re.compile(entry["unused"]) if "unused" in entry else None,
            )
            for package, entries in data["advisories"].items()
            for entry in entries
        )
        packages = frozenset(canonicalize_name(name) for name in [*data["without"], *data["advisories"]])
        dates = data["made"], data["reaches"], data["without_reaches"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidSpecifier, re.error) as error:
        raise BadListError(f"{path} cannot be read as a list of advisories: {error!r}") from error
    if not all(isinstance(day, date) for day in dates):
        raise BadListError(f"{path}: `made`, `reaches` and `without_reaches` are dates, such as 2026-11-30")
    return AdvisoryList(*dates, packages, advisories)


def uses(pattern: re.Pattern[str], root: Path) -> list[str]:
    """Return the Python files of the packages in which a pattern is found."""
    return [
        str(path.relative_to(root))
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        if pattern.search(path.read_text(encoding="utf-8"))
    ]


def problems(listed: AdvisoryList, locks: list[Path], root: Path) -> tuple[list[str], list[str]]:
    """Return what is wrong with the pins, and what is affected and judged harmless, as sentences."""
    wrong, harmless = set(), set()
    for lock in locks:
        for pin in pins(lock):
            if lock.name == FOR_USERS and canonicalize_name(pin.name) not in listed.packages:
                wrong.add(f"{pin.name} was never looked up: add it to the list")
            for entry in listed.of(pin):
                what = f"{pin.name} {pin.version} has {', '.join(entry.ids)} ({entry.affected})"
                if found := uses(entry.unused, root) if entry.unused else []:
                    wrong.add(f"{what}, and what makes it matter is used in {', '.join(found)}")
                elif entry.harmless:
                    harmless.add(f"{what}: {entry.harmless}")
                else:
                    wrong.add(what)
    return sorted(wrong), sorted(harmless)


def main() -> None:
    """Print the date of the list and what it says of the pins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", type=Path, default=LIST, help="the list of advisories")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the packages")
    parser.add_argument("locks", nargs="*", type=Path, default=[ROOT / name for name in LOCKS])
    options = parser.parse_args()
    try:
        listed = read_list(options.list)
    except BadListError as error:
        parser.error(str(error))
    wrong, harmless = problems(listed, options.locks, options.root)
    named = {entry.package for entry in listed.advisories}
    sys.stdout.write(
        f"list of {listed.made}: {len(listed.advisories)} advisories of {len(named)} packages, up to "
        f"{listed.reaches}; {len(listed.packages - named)} packages without, up to {listed.without_reaches}\n"
    )
    sys.stdout.writelines(f"harmless here: {line}\n" for line in harmless)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
