"""`mparchive verify`: whether the archive is what was archived, and what in it is not."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.integrity.check import CheckContext, VerificationReport, note_verified
from archive.integrity.checks import CHECK_NAMES
from archive.integrity.process_pool import CheckProcessKilled
from archive.integrity.verifier import compare_with_heads, verify_archive
from archive.repository.hash_chain import Head
from archive.storage.media_files import MediaFolder
from archive.system import clock
from archive.system.files import write_bytes
from crawler.parse import PARSER_VERSION
from crawler.parse.classify import classify
from mparchive.console import Steps, err, out, print_json, say, steps
from mparchive.errors import CommandError, Exit

PLACE = "verify.json"  # in the data folder: how far it came

TENTHS = 10

MAX_HEADS = 16 * 1024 * 1024  # bytes of a file of heads; one of a thousand accounts has 150 kB

_HEADS = TypeAdapter(list[Head])


@dataclass(frozen=True)
class Verified:
    """What to verify: with which checks, from the start or on, against and into which files of heads."""

    only: tuple[str, ...] = ()
    anew: bool = False
    head: Path | None = None
    save_head: Path | None = None
    json: bool = False


def means_of(settings: ArchiveSettings) -> CheckContext:
    """What the checks need: the media folder and today's parser."""
    return CheckContext(MediaFolder(settings), classify, PARSER_VERSION)


def verify(asked: Verified) -> Exit:
    """Verify, print what was found, and say so with the exit code."""
    names, known = _names(asked.only), read_heads(asked.head) if asked.head else []
    settings = ArchiveSettings()
    place = settings.home / PLACE
    if asked.anew:
        place.unlink(missing_ok=True)
    started = clock.now()
    with open_archive(settings) as engine:
        report = verify_with(engine, settings, names, place)
        with transaction(engine) as session:
            report.add_findings(compare_with_heads(session, known))
            note_verified(session, names, report, started, clock.now())
    if asked.save_head is not None:
        _save_heads(report, asked.save_head)
    if asked.json:
        print_json({"sound": report.is_sound, **report.as_dict()})
    else:
        _print(report)
    return Exit.DONE if report.is_sound else Exit.INTEGRITY


def _names(given: tuple[str, ...]) -> list[str]:
    names = [name.strip() for one in given for name in one.split(",")]
    for name in names:
        if name not in CHECK_NAMES:
            raise CommandError(f"there is no check {name!r}; --only takes {', '.join(CHECK_NAMES)}")
    return names


def verify_with(
    engine: Engine, settings: ArchiveSettings, names: Sequence[str], place: Path | None = None
) -> VerificationReport:
    """Verify with these checks (none: all) and show how far it is. Raises CommandError when killed."""
    with ExitStack() as closing:
        step = _shown_steps(closing)
        try:
            return verify_archive(
                engine, means_of(settings), only=names, progress_file=place, on_progress=step
            )
        except CheckProcessKilled as error:
            raise CommandError(str(error), Exit.PARTLY_FAILED) from None


def _shown_steps(closing: ExitStack) -> Callable[[str, int, int], None]:
    """What shows each step: a bar on a terminal, elsewhere a line each tenth of the way and each check."""
    shown: list[Steps] = []
    last: tuple[str, int] | None = None

    def step(check: str, done: int, total: int) -> None:
        nonlocal last
        if not shown:
            shown.append(closing.enter_context(steps(total)))
        now = check, done * TENTHS // max(total, 1)
        if err.is_terminal or now != last:
            shown[0].step(check, done)
        last = now

    return step


def read_heads(path: Path) -> list[Head]:
    """Heads that were written down: of `--save-head`, or what `verify --json` printed."""
    try:
        if path.stat().st_size > MAX_HEADS:
            raise CommandError(f"{path} has more than {MAX_HEADS} bytes; name a file of --save-head")
        value: Any = json.loads(path.read_bytes())
        return _HEADS.validate_python(value["heads"] if isinstance(value, dict) else value)
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, ValidationError):
        raise CommandError(f"{path} holds no heads; name a file that --save-head wrote") from None


def _save_heads(report: VerificationReport, path: Path) -> None:
    """Only of an archive that is sound: a head would vouch for what was found."""
    if not report.is_sound:
        say(f"{path} is not written: its heads would vouch for what was found")
        return
    lines = [json.dumps(head._asdict(), ensure_ascii=False) for head in report.heads]
    write_bytes(path, ("[\n" + ",\n".join(lines) + "\n]\n").encode())


def _print(report: VerificationReport) -> None:
    for finding in report.findings:
        out.print(str(finding), markup=False)
    untold = report.found.total() - len(report.findings)
    if untold:
        out.print(f"and {untold} more", markup=False)
    for note, count in sorted(report.notes.items()):
        out.print(f"{count} {Message(note)}", markup=False)
    say(_verdict(report))


def _verdict(report: VerificationReport) -> str:
    looked = ", ".join(f"{count} {name}" for name, count in report.checked.items())
    if report.is_sound:
        return f"all is as it was archived ({looked})"
    found = ", ".join(f"{count} by {name}" for name, count in report.found.items())
    return f"{report.found.total()} things are not as they were archived: {found}; looked at {looked}"
