"""`mparchive verify`: check that every row, page and file is as it was archived."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from zipfile import is_zipfile

from archive.backup.backup_file import BackupDamaged, BackupError, opened
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.integrity.check import CheckContext, Database, Finding, VerificationReport, note_verified
from archive.integrity.checks import CHECK_NAMES
from archive.integrity.process_pool import CheckProcessKilled
from archive.integrity.saved_heads import NoHeads, SavedHeads, compare_with_heads, parse_digest, parse_heads
from archive.integrity.verifier import verify_archive
from archive.reports.status import holds_nothing
from archive.repository.heads import heads_file
from archive.storage.media_files import MediaFolder
from archive.system import clock
from archive.system.files import write_bytes
from crawler.parse import PARSER_VERSION
from crawler.parse.page import classify
from mparchive.console import Steps, err, localized, out, print_json, say, steps, translated
from mparchive.errors import CommandError, Exit

PROGRESS_FILE = "verify.json"  # in the data folder; an interrupted verification continues from it

PROGRESS_LINES = 10  # for each check, where there is no terminal: every tenth of its rows

MAX_HEADS_FILE = 16 * 1024 * 1024  # bytes; the heads of a thousand accounts take 150 kB, a feed 4 MB


@dataclass(frozen=True)
class VerifyOptions:
    """The options of the command: which checks, from the start or not, files of heads to read and write."""

    only: tuple[str, ...] = ()
    anew: bool = False
    head: Path | None = None
    save_head: Path | None = None
    json: bool = False


def check_context(settings: ArchiveSettings) -> CheckContext:
    """Return what the checks need besides the database: the media folder and the current parser."""
    return CheckContext(MediaFolder(settings), classify, PARSER_VERSION)


def verify(options: VerifyOptions) -> Exit:
    """Verify the archive and print the findings. Raises CommandError on wrong options.

    The exit code is DONE where there is no finding, else INTEGRITY.
    """
    names = _check_names(options.only)
    saved_heads = read_heads(options.head) if options.head else SavedHeads(())
    settings = ArchiveSettings()
    progress_file = settings.home / PROGRESS_FILE
    if options.anew:
        progress_file.unlink(missing_ok=True)
    started = clock.now()
    with open_archive(settings) as engine:
        report = verify_with(engine, settings, names, progress_file)
        with transaction(engine) as session:
            report.add_findings(compare_with_heads(session, saved_heads))
            note_verified(session, names, report, started, clock.now())
            is_empty = holds_nothing(session)
    if options.save_head is not None:
        _save_heads(report, options.save_head)
    if options.json:
        print_json({"sound": report.is_sound, "empty": is_empty, **report.as_dict()})
    else:
        _print_report(report, is_empty=is_empty)
    return Exit.DONE if report.is_sound else Exit.INTEGRITY


def _check_names(only: Sequence[str]) -> list[str]:
    names = [name.strip() for value in only for name in value.split(",")]
    for name in names:
        if name not in CHECK_NAMES:
            params = {"name": name, "names": ", ".join(CHECK_NAMES)}
            raise CommandError(Message("mparchive.verify.unknown_check", params))
    return names


def verify_with(
    database: Database, settings: ArchiveSettings, names: Sequence[str], progress_file: Path | None = None
) -> VerificationReport:
    """Run these checks (none: all) and show the progress.

    Raises CommandError when a process that verifies is killed.
    """
    with ExitStack() as closing:
        step = _progress_callback(closing)
        try:
            context = check_context(settings)
            return verify_archive(
                database, context, only=names, progress_file=progress_file, on_progress=step
            )
        except CheckProcessKilled as error:
            raise CommandError(error.message, Exit.PARTLY_FAILED) from None


def _progress_callback(closing: ExitStack) -> Callable[[str, int, int], None]:
    """Return what shows each step: a bar on a terminal; elsewhere a line for each check and tenth of it."""
    shown: list[Steps] = []
    last: tuple[str, int] | None = None

    def step(check: str, done: int, total: int) -> None:
        nonlocal last
        if not shown:
            shown.append(closing.enter_context(steps(total)))
        now = check, done * PROGRESS_LINES // max(total, 1)
        if err.is_terminal or now != last:
            shown[0].step(check, done)
        last = now

    return step


def read_heads(path: Path) -> SavedHeads:
    """Read heads from a file of heads, the output of `verify --json`, a feed, an API answer, or a backup.

    The digest of a head, where no file has that name, is a head itself. Raises CommandError on anything else.
    """
    digest = parse_digest(str(path))
    if digest is not None and not path.exists():
        return digest
    try:
        if is_zipfile(path):
            with opened(path) as backup:
                return SavedHeads(backup.manifest.heads)
        if path.stat().st_size > MAX_HEADS_FILE:
            raise CommandError(
                Message("mparchive.verify.heads_too_large", {"path": path, "bytes": MAX_HEADS_FILE})
            )
        return parse_heads(path.read_bytes())
    except OSError as error:
        params = {"path": path, "reason": error.strerror}
        raise CommandError(Message("mparchive.error.unreadable_file", params)) from None
    except (NoHeads, BackupError, BackupDamaged):
        raise CommandError(Message("mparchive.verify.no_heads", {"path": path})) from None


def _save_heads(report: VerificationReport, path: Path) -> None:
    """Save the heads of a sound archive; those of a damaged one would vouch for the damage."""
    if not report.is_sound:
        say(Message("mparchive.verify.heads_not_saved", {"path": path}))
        return
    write_bytes(path, heads_file(report.heads))


def finding_text(finding: Finding) -> str:
    """Return a finding in the language of the process."""
    return f"{finding.subject}: {localized(finding.message)}"


def _print_report(report: VerificationReport, *, is_empty: bool) -> None:
    for finding in report.findings:
        out.print(finding_text(finding), markup=False)
    if left_out := report.found.total() - len(report.findings):
        out.print(translated("mparchive.verify.more_findings", n=left_out), markup=False)
    for note, count in sorted(report.notes.items()):
        out.print(f"{count} {translated(note)}", markup=False)
    say(_verdict(report, is_empty=is_empty))


def _verdict(report: VerificationReport, *, is_empty: bool) -> Message:
    if report.is_sound and (is_empty or not report.checked.total()):
        return Message("mparchive.verify.verdict.nothing")
    params = {"checked": _counts(report.checked), "n": report.found.total(), "found": _counts(report.found)}
    return Message(f"mparchive.verify.verdict.{'passed' if report.is_sound else 'failed'}", params)


def _counts(counts: Counter[str]) -> list[str]:
    return [f"{count} {name}" for name, count in counts.items()]
