"""`mparchive live-check`: compare what the live site serves with what this program expects of it.

Each check runs commands of the program on an archive of its own, which is removed afterwards. The report has
counts, outcomes, exit codes and durations, and no address, title, name or path.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from archive.db.embedded_server import embedded_postgres
from archive.domain.addresses import parse_address
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.system import clock
from archive.system.files import write_bytes
from mparchive.console import label, localized, out, say, table_with
from mparchive.errors import CommandError, Exit

TIMEOUT = 1800  # seconds for one command; ten posts at the default pace take two minutes

MAX_ADDRESSES = 20  # in the list of the check `list`: more would only add to what the site is asked

_PROGRAM = "from mparchive.cli import main; main()"

_SESSION_NAMES = re.compile(rb"(?i)set-cookie|pass_ticket=[^&\s]|\buin=[^&\s]|\bkey=[0-9a-f]{16}")

_BY_HAND = (9, 10, 11, 12, 13, 14, 15)  # checks of docs/how-to/live-checks.md that take days or a login


class CheckState(StrEnum):
    """How a check ended."""

    EXPECTED = "expected"
    DIFFERENT = "different"
    NOT_TRIED = "not_tried"
    BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True)
class LiveCheckOptions:
    """The addresses to try, each of a post; `addresses` is a file with one address per line."""

    post: str
    short: str | None = None
    deleted: str | None = None
    video: str | None = None
    addresses: Path | None = None
    without_chksm: str | None = None
    report: Path = Path("live-check.json")


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a command ended; `value` is the JSON that it printed, if it did."""

    code: int
    value: Any
    seconds: float


@dataclass(slots=True)
class _Result:
    """The result of a check: `facts` has numbers and words of closed sets only."""

    number: int
    name: str
    state: CheckState
    facts: dict[str, Any] = field(default_factory=dict)


class _TestArchive:
    """An archive in a temporary folder, and the commands run on it."""

    def __init__(self, home: Path, addresses: list[str]) -> None:
        self.home, self.addresses = home, addresses
        self.verification = False  # the site demanded it: nothing else is asked

    def run(self, *arguments: object, **variables: str) -> _Ended:
        """Run a command. Raises CommandError if it takes longer than TIMEOUT."""
        started = time.monotonic()
        own = {
            "MPARCHIVE_HOME": str(self.home),
            "MPARCHIVE_DATABASE_URL": "",
            "MPARCHIVE_MEDIA": "",
            "MPARCHIVE_CONFIG": "",
        }
        try:
            done = subprocess.run(  # noqa: S603 - this program, with arguments as a list
                [sys.executable, "-c", _PROGRAM, *map(str, arguments)],
                env=os.environ | own | variables,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            params = {"command": arguments[0], "seconds": TIMEOUT}
            raise CommandError(Message("mparchive.live_check.timeout", params)) from None
        self.verification |= done.returncode == Exit.VERIFICATION
        return _Ended(done.returncode, _as_json(done.stdout), round(time.monotonic() - started, 1))

    def status(self) -> dict[str, Any]:
        """Return what `mparchive status --json` prints."""
        value = self.run("status", "--json").value
        return value if isinstance(value, dict) else {}


def live_check(options: LiveCheckOptions) -> Exit:
    """Run the checks whose addresses are given, in the order of the document, and write the report.

    A check after one at which the site demanded verification is not tried. Raises CommandError.
    """
    _check_addresses(options)
    addresses = _read_addresses(options.addresses) if options.addresses else []
    with _test_archive(addresses) as archive:
        results = list(_results(archive, options))
    results += [_Result(number, "by_hand", CheckState.BY_HAND) for number in _BY_HAND]
    results.sort(key=lambda one: one.number)
    write_bytes(options.report, (json.dumps(_report(results), indent=2) + "\n").encode())
    _print(results)
    say(Message("mparchive.live_check.written", {"path": options.report}))
    return _exit_code(results)


@contextmanager
def _test_archive(addresses: list[str]) -> Iterator[_TestArchive]:
    with tempfile.TemporaryDirectory(prefix="mparchive-live-check-") as folder:
        home = Path(folder)
        with embedded_postgres(home):  # running from here on, each command uses it
            yield _TestArchive(home, addresses)


def _check_addresses(options: LiveCheckOptions) -> None:
    """Raise CommandError where an address is none, before anything is asked."""
    given = [options.post, options.short, options.deleted, options.video, options.without_chksm]
    for address in (one for one in given if one is not None):
        try:
            parse_address(address)
        except AddressError as error:
            raise CommandError(error.message) from None


def _read_addresses(path: Path) -> list[str]:
    """Return the lines of a list. Raises CommandError if it cannot be read, is empty or too long."""
    try:
        text = path.read_text("utf-8-sig", "replace")
    except OSError as error:
        params = {"path": path, "reason": error.strerror}
        raise CommandError(Message("mparchive.error.unreadable_file", params)) from None
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not 0 < len(lines) <= MAX_ADDRESSES:
        sizes = {"path": path, "n": len(lines), "max": MAX_ADDRESSES}
        raise CommandError(Message("mparchive.live_check.list_size", sizes))
    return lines


def _results(archive: _TestArchive, options: LiveCheckOptions) -> Iterator[_Result]:
    checks: list[tuple[int, str, object, Callable[[_TestArchive, LiveCheckOptions], _Result]]] = [
        (1, "post", options.post, _check_post),
        (2, "short", options.short, _check_short),
        (3, "offline", options.post, _check_offline),
        (4, "deleted", options.deleted, _check_deleted),
        (5, "video", options.video, _check_video),
        (6, "list", options.addresses, _check_list),
        (7, "recording", options.post, _check_recording),
        (8, "sources", options.post, _check_sources),
        (16, "without_chksm", options.without_chksm, _check_without_chksm),
    ]
    for number, name, given, check in checks:
        if given is None or archive.verification:
            yield _Result(number, name, CheckState.NOT_TRIED)
            continue
        say(Message("mparchive.live_check.begin", {"number": number, "check": _label(name)}))
        yield check(archive, options)


def _check_post(archive: _TestArchive, options: LiveCheckOptions) -> _Result:
    ended = archive.run("backfill", options.post, "--json")
    posts = archive.run("list", "--json").value or []
    shown = archive.run("show", posts[0]["aid"], "--json").value if posts else {"post": {}}
    facts = _facts(ended) | {"posts": len(posts), "characters": len(shown["post"].get("finalContent", ""))}
    as_expected = ended.code == Exit.DONE and facts["posts"] == 1 and facts["characters"] > 0
    return _result(1, "post", as_expected, facts)


def _check_short(archive: _TestArchive, options: LiveCheckOptions) -> _Result:
    ended = archive.run("backfill", options.short, "--json")
    facts = _facts(ended) | {"posts": archive.status().get("posts")}
    as_expected = ended.code == Exit.DONE and facts["posts"] == 1 and _count(facts, "unchanged") == 1
    return _result(2, "short", as_expected, facts)


def _check_offline(archive: _TestArchive, _: LiveCheckOptions) -> _Result:
    images = archive.status().get("media", {}).get("image", {"known": 0, "kept": 0})
    facts = {name: images[name] for name in ("known", "kept")}
    return _result(3, "offline", facts["known"] == facts["kept"] > 0, facts)


def _check_deleted(archive: _TestArchive, options: LiveCheckOptions) -> _Result:
    ended = archive.run("backfill", options.deleted, "--json")
    facts = _facts(ended)
    return _result(4, "deleted", ended.code == Exit.DONE and _count(facts, "deleted") == 1, facts)


def _check_video(archive: _TestArchive, options: LiveCheckOptions) -> _Result:
    types = "image,audio,video"
    ended = archive.run("backfill", options.video, "--json", MPARCHIVE_MEDIA_TYPES=types)
    media = archive.status().get("media", {})
    played = {kind: media.get(kind, {}).get("kept", 0) for kind in ("audio", "video")}
    facts = _facts(ended) | {"kept": played}
    as_expected = ended.code == Exit.DONE and _count(facts, "new") == 1 and sum(played.values()) > 0
    return _result(5, "video", as_expected, facts)


def _check_list(archive: _TestArchive, _: LiveCheckOptions) -> _Result:
    path, lines = archive.home / "addresses.txt", archive.addresses
    write_bytes(path, "\n".join(lines).encode())
    ended = archive.run("backfill", path, "--json")
    facts = _facts(ended) | {"addresses": len(lines)}
    stored = sum(_count(facts, name) for name in ("new", "known", "unchanged"))
    return _result(6, "list", ended.code == Exit.DONE and stored == len(lines), facts)


def _check_recording(archive: _TestArchive, options: LiveCheckOptions) -> _Result:
    path = archive.home / "one.yaml"
    ended = archive.run("backfill", options.post, "--again", "--record", path, "--json")
    found = _SESSION_NAMES.findall(path.read_bytes()) if path.exists() else []
    facts = _facts(ended) | {"recorded": path.exists(), "secrets": len(found)}
    return _result(7, "recording", ended.code == Exit.DONE and path.exists() and not found, facts)


def _check_sources(archive: _TestArchive, options: LiveCheckOptions) -> _Result:
    path = archive.home / "mparchive.toml"
    begun = archive.run("init", options.post, "--output", path)
    ended = archive.run("discover", "--json", MPARCHIVE_CONFIG=str(path))
    sources = [
        {"kind": one["source"].partition(":")[0]} | {name: one[name] for name in ("state", "seen", "new")}
        for account in ended.value or []
        for one in account["sources"]
    ]
    facts = {"init": begun.code, "exit_code": ended.code, "seconds": ended.seconds, "sources": sources}
    as_expected = ended.code == Exit.DONE and any(one["state"] == "ok" for one in sources)
    return _result(8, "sources", as_expected, facts)


def _check_without_chksm(archive: _TestArchive, options: LiveCheckOptions) -> _Result:
    address = re.sub(r"&chksm=[^&#]*", "", options.without_chksm or "")
    before = archive.status().get("posts")
    ended = archive.run("backfill", address, "--json")
    facts = _facts(ended) | {"new_posts": (archive.status().get("posts") or 0) - (before or 0)}
    as_expected = ended.code == Exit.VERIFICATION and facts["new_posts"] == 0
    return _result(16, "without_chksm", as_expected, facts)


def _result(number: int, name: str, as_expected: bool, facts: dict[str, Any]) -> _Result:
    return _Result(number, name, CheckState.EXPECTED if as_expected else CheckState.DIFFERENT, facts)


def _facts(ended: _Ended) -> dict[str, Any]:
    """Return exit code, duration and counts of a backfill; the reasons may have words of a page."""
    counts = ended.value.get("counts", {}) if isinstance(ended.value, dict) else {}
    numbers = {name: number for name, number in counts.items() if isinstance(number, int)}
    return {"exit_code": ended.code, "seconds": ended.seconds, "counts": numbers}


def _count(facts: Mapping[str, Any], name: str) -> int:
    return int(facts["counts"].get(name, 0))


def _as_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _report(results: list[_Result]) -> dict[str, Any]:
    return {
        "made_at": clock.now().isoformat(timespec="minutes"),
        "mparchive": version("mparchive"),
        "python": platform.python_version(),
        "system": platform.system(),
        "checks": [
            {"number": one.number, "check": one.name, "state": one.state, "facts": one.facts}
            for one in results
        ],
    }


def _label(name: str) -> str:
    return label("mparchive.live_check.check.", name)


def _print(results: list[_Result]) -> None:
    table = table_with("", "", "")
    for one in (one for one in results if one.state is not CheckState.BY_HAND):
        table.add_row(str(one.number), label("mparchive.live_check.state.", one.state), _label(one.name))
    out.print(table)
    for one in (one for one in results if one.state is CheckState.DIFFERENT):
        out.print(f"{one.number}: {json.dumps(one.facts)}")
    numbers = ", ".join(map(str, _BY_HAND))
    out.print(localized(Message("mparchive.live_check.by_hand", {"numbers": numbers})))


def _exit_code(results: list[_Result]) -> Exit:
    different = [one for one in results if one.state is CheckState.DIFFERENT]
    if any(one.facts.get("exit_code") == Exit.VERIFICATION for one in different):
        return Exit.VERIFICATION
    return Exit.PARTLY_FAILED if different else Exit.DONE
