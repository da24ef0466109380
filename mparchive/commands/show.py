"""The page of one post: on stdout, or in the browser."""

import os
import re
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Absence, Post, Version
from archive.db.settings import ArchiveSettings
from archive.domain.records import SHANGHAI
from archive.domain.revisit_policy import INTERVALS, next_visit
from archive.domain.text_diff import Piece
from archive.export.file_names import FileNames
from archive.export.result import ExportResult, failure_reason, post_name
from archive.rendering.page import offline_page, shown_post
from archive.reports.history import (
    Change,
    Event,
    GonePictures,
    History,
    changes_between,
    history_of,
    timeline,
)
from archive.repository import captures as captures_repository
from archive.repository import post_queries
from archive.repository.links import links_of
from archive.repository.media import ShownMedium, media_of
from archive.repository.revisits import visited
from archive.storage.media_files import MediaFolder
from archive.system.files import write_bytes
from mparchive.console import facts_table, out, print_json, say, shortened
from mparchive.errors import CommandError, Exit


def print_page(session: Session, post: Post) -> Exit:
    """Write the page to stdout."""
    page, written = _page(session, post)
    sys.stdout.buffer.write(page)
    return end_with(written)


def open_page(session: Session, post: Post) -> Exit:
    """Write the page below the data folder, print where, and open it where there is a display."""
    page, written = _page(session, post)
    path = ArchiveSettings().home.absolute() / "pages" / f"{FileNames().of_post(post)}.html"
    write_bytes(path, page, is_private=True)
    sys.stdout.write(f"{path}\n")
    if not (_has_display() and webbrowser.open(path.as_uri())):
        say("no browser could be opened here; open this file in one")
    return end_with(written)


def _page(session: Session, post: Post) -> tuple[bytes, ExportResult]:
    shown = shown_post(session, post, MediaFolder(ArchiveSettings()))
    try:
        page = offline_page(shown).encode("utf-8", "replace")
    except Exception as error:
        raise CommandError(
            f"the page of {post_name(post)} cannot be made ({failure_reason(error)});"
            " without --html and --open its text is shown",
            Exit.PARTLY_FAILED,
        ) from None
    written = ExportResult()
    written.add_post(shown.media.problems, shown.media.damaged)
    return page, written


def _has_display() -> bool:
    """Without one a browser of the terminal might take it over."""
    named = os.environ.get("BROWSER") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(named) or sys.platform in ("darwin", "win32")


def end_with(written: ExportResult) -> Exit:
    """Say what could not be read or written; the exit code that tells it."""
    for message in (*written.problems, *written.failures):
        say(str(message))
    if written.failed:
        say(f"{written.failed} could not be written; everything else was")
    if not written.missing:
        return Exit.PARTLY_FAILED if written.failed else Exit.DONE
    say(f"{written.missing} files of the media folder could not be read; what stands for them says so")
    return Exit.INTEGRITY if written.damaged else Exit.PARTLY_FAILED


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
    before, after = _chosen(post_queries.versions_of(session, post), wanted)
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


def show(aid: str, account: str | None, what: str, *, versions: str = "", as_json: bool = False) -> Exit:
    """Print a post: `what` is summary, text, raw, history, diff, links, html or open.

    The summary, the history and the difference of two `versions` (N..M) may be had `as_json`.
    """
    with open_archive() as engine, transaction(engine) as session:
        post = _one_post(session, aid, account)
        match what:
            case "text":
                sys.stdout.write(post.text.replace("\r", "\n") + "\n")
            case "raw":
                sys.stdout.buffer.write(_raw(session, post))
            case "history":
                print_history(session, post, as_json)
            case "diff":
                print_difference(session, post, versions, as_json)
            case "links":
                out.print(_links(session, post))
            case "html":
                return print_page(session, post)
            case "open":
                return open_page(session, post)
            case _ if as_json:
                print_json(_as_json(session, post))
            case _:
                out.print(_summary(session, post))
    return Exit.DONE


def _one_post(session: Session, aid: str, account: str | None) -> Post:
    posts = post_queries.find_posts(session, aid, account)
    if not posts:
        raise CommandError(f"there is no post {aid} in the archive; `mparchive backfill` its address first")
    if len(posts) > 1:
        names = ", ".join(post.account_name for post in posts)
        raise CommandError(f"{aid} is a post of several accounts ({names}); choose with --account BIZ")
    return posts[0]


def _raw(session: Session, post: Post) -> bytes:
    """The page as the server sent it, the last time it was an article."""
    pages = [
        c
        for c in captures_repository.list_captures(session, post)
        if c["outcome"] == "article" and not c["rendered"]
    ]
    if not pages:
        raise CommandError(
            f"{post.aid} was taken over without its page; `mparchive backfill {post.url}` fetches it"
        )
    return captures_repository.capture_body(session, pages[0]["id"])


def _summary(session: Session, post: Post) -> Table:
    captures = captures_repository.list_captures(session, post)
    facts = {
        "aid": post.aid,
        "title": post.title,
        "account": post.account_name,
        "published": str(post.published_at.astimezone(SHANGHAI))
        if post.published_at
        else str(post.published_on),
        "kind": post.kind or "not fetched yet",
        "url": post.url,
        "versions": str(len(post_queries.versions_of(session, post))),
        "captures": ", ".join(f"{c['fetched_at']:%Y-%m-%d %H:%M}Z {c['outcome']}" for c in captures)
        or "none",
        "text": shortened(post.text),
    }
    return facts_table(facts)


def _links(session: Session, post: Post) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("relation", "words", "leads to"):
        table.add_column(heading, overflow="fold")
    for link in links_of(session, post):
        table.add_row(link.relation, Text(shortened(link.text)), Text(link.url or link.key))
    return table


def _as_json(session: Session, post: Post) -> dict[str, Any]:
    return {
        "post": post_queries.record_of(post).as_dict(),
        "kind": post.kind,
        "published_at": post.published_at.isoformat() if post.published_at else None,
        "page": post.facts,
        **history_as_json(history_of(session, post)),
        "links": [
            {name: getattr(link, name) for name in ("relation", "position", "key", "url", "text", "facts")}
            for link in links_of(session, post)
        ],
        "media": [_medium(medium) for medium in media_of(session, post)],
    }


def _medium(medium: ShownMedium) -> dict[str, Any]:
    file = medium.file
    return {
        "role": medium.role,
        "position": medium.position,
        "type": medium.type,
        "key": medium.key,
        "url": medium.url,
        "facts": medium.facts,
        "file": {**asdict(file), "sha256": file.sha256.hex()} if file else None,
        "last_outcome": medium.last_outcome,
        "last_reason": medium.last_reason,
    }
