"""`mparchive show --history` and `--diff`: what became of a post, and what changed between two versions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from archive import queries
from archive.difference import Piece
from archive.history import Change, Event, GonePictures, History, changes_between, history_of, timeline
from archive.models import Absence, Post, Version
from archive.record import SHANGHAI
from archive.revisits import visited
from mparchive.console import out, print_json
from mparchive.exits import CommandError
from scheduler.revisit import INTERVALS, next_visit

CONTEXT = 60  # characters shown before and after a change; of what did not change no more is of use
_RANGE = re.compile(r"(\d{0,9})\.\.(\d{0,9})")
_STYLES = {"same": "", "added": "underline green", "removed": "strike red"}
_MARKS = {"same": "{}", "added": "{{+{}+}}", "removed": "[-{}-]"}


def print_history(session: Session, post: Post, as_json: bool) -> None:
    """Print one time line of versions, pages and absences."""
    history = history_of(session, post)
    if as_json:
        print_json(
            {"aid": post.aid, **history_as_json(history), "next_visit_at": _instant(_next(session, post))}
        )
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("time (Asia/Shanghai)", "what", "more"):
        table.add_column(heading, overflow="fold")
    for event in timeline(history):
        table.add_row(_local(event.at), *map(Text, _words(event)))
    out.print(table)


def history_as_json(history: History) -> dict[str, Any]:
    """Versions, absences, captures and pictures that are gone, as JSON values; instants are UTC."""
    return {
        "versions": [_version_as_json(change) for change in history.changes],
        "absences": [_absence_as_json(absence) for absence in history.absences],
        "captures": [
            {**one, "sha256": one["sha256"].hex(), "fetched_at": one["fetched_at"].isoformat()}
            for one in history.captures
        ],
        "gone_pictures": [
            {**asdict(gone), "fetched_at": gone.fetched_at.isoformat()} for gone in history.pictures
        ],
    }


def print_difference(session: Session, post: Post, wanted: str, as_json: bool) -> None:
    """Print what changed between two versions: `wanted` is N..M, or `..` for the last two.

    Raises CommandError where there are no such versions.
    """
    before, after = _chosen(queries.versions_of(session, post), wanted)
    pieces = changes_between(before, after)
    if as_json:
        listed = [asdict(piece) for piece in pieces]
        print_json({"aid": post.aid, "before": before.number, "after": after.number, "pieces": listed})
        return
    for version, sign in ((before, "---"), (after, "+++")):
        out.print(Text(f"{sign} version {version.number}, {_local(version.recorded_at)}, {version.source}"))
    out.print(_shown(pieces, coloured=out.is_terminal))


def _version_as_json(change: Change) -> dict[str, Any]:
    version = change.version
    return {
        "number": version.number,
        "source": version.source,
        "recorded_at": version.recorded_at.isoformat(),
        "fetched_at": _instant(change.fetched_at),
        "capture_id": version.capture_id,
        "parser_version": version.parser_version,
        "hash": version.content_hash,
        "title": version.title,
        "characters": len(version.text),
        **asdict(change.extent),
    }


def _absence_as_json(absence: Absence) -> dict[str, Any]:
    instants = ("last_seen_at", "first_missing_at", "last_missing_at", "returned_at")
    return {
        "outcome": absence.outcome,
        "reason": absence.reason,
        **{name: _instant(getattr(absence, name)) for name in instants},
        "capture_id": absence.capture_id,
        "returned_capture_id": absence.returned_capture_id,
    }


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _next(session: Session, post: Post) -> datetime | None:
    """When the daemon asks for the post again, while its budget lasts."""
    found = visited(session, post)
    if found is None:
        return None
    return next_visit(found.since, found.tried_at, INTERVALS.away if found.is_away else INTERVALS.there)


def _words(event: Event) -> tuple[str, str]:
    match event.what:
        case Change() as change:
            return f"version {change.version.number}", _of_change(change)
        case Absence() as absence:
            return ("back", "") if event.is_return else ("missing", _of_absence(absence))
        case GonePictures() as gone:
            return "pictures", f"{gone.count} of this page are on no later one"
        case capture:
            return f"capture {capture['id']}", _of_capture(capture)


def _of_change(change: Change) -> str:
    version, extent = change.version, change.extent
    parser = f"parser {version.parser_version}" if version.parser_version else ""
    size = (
        f"+{extent.added} −{extent.removed} characters"
        if version.number > 1
        else f"{extent.added} characters"
    )
    return ", ".join(filter(None, (version.source, parser, size, version.title)))


def _of_absence(absence: Absence) -> str:
    seen = f"last seen {_local(absence.last_seen_at)}" if absence.last_seen_at else "its page was never seen"
    until = "" if absence.returned_at else f"still away {_local(absence.last_missing_at)}"
    return ", ".join(filter(None, (absence.outcome, absence.reason, seen, until)))


def _of_capture(capture: dict[str, Any]) -> str:
    drawn = "drawn by a browser" if capture["rendered"] else ""
    return ", ".join(filter(None, (capture["outcome"] or "not read yet", capture["reason"], drawn)))


def _local(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _chosen(versions: Sequence[Version], wanted: str) -> tuple[Version, Version]:
    found = _RANGE.fullmatch(wanted)
    if not found:
        raise CommandError(f"--diff takes two versions as 1..2, not {wanted!r}")
    if len(versions) < 2 and wanted == "..":
        raise CommandError(f"there {'is one version' if versions else 'is no version'}; nothing to compare")
    after = int(found[2] or len(versions))
    before = int(found[1] or after - 1)
    by_number = {version.number: version for version in versions}
    for number in (before, after):
        if number not in by_number:
            raise CommandError(f"there is no version {number}; there are 1 to {len(versions)}")
    return by_number[before], by_number[after]


def _shown(pieces: Sequence[Piece], coloured: bool) -> Text:
    """The changes and a little around them; `\\r` ends a line."""
    shown = Text()
    for piece in _near(pieces):
        words = piece.text if coloured else _MARKS[piece.kind].format(piece.text)
        shown.append(words.replace("\r", "\n"), _STYLES[piece.kind] if coloured else "")
    return shown


def _near(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces, with all but the ends of what did not change left out."""
    last = len(pieces) - 1
    for place, piece in enumerate(pieces):
        head = 0 if place == 0 else CONTEXT
        tail = 0 if place == last else CONTEXT
        if piece.kind != "same" or len(piece.text) <= head + tail + 1:
            yield piece
        else:
            yield Piece("same", f"{piece.text[:head]}…{piece.text[len(piece.text) - tail :]}")
