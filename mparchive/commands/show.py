"""`mparchive show`: print one post, its history, the changes between versions, or its page."""

import os
import re
import shlex
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Absence, Post
from archive.db.settings import ArchiveSettings
from archive.domain.errors import error_message
from archive.domain.messages import Message
from archive.domain.parsed_page import is_preview
from archive.domain.records import SHANGHAI
from archive.domain.revisit_policy import INTERVALS, next_visit
from archive.domain.text_diff import Extent, with_context
from archive.reports.citations import citation_of
from archive.reports.history import (
    Change,
    Event,
    GonePictures,
    History,
    changes_between,
    history_of,
    timeline,
)
from archive.repository import bodies, post_queries
from archive.repository import captures as captures_repository
from archive.repository.accounts import biz_of
from archive.repository.media import ShownMedium, media_of
from archive.repository.posts import links_of
from archive.repository.revisits import revisit_state
from archive.repository.versions import DatedBy, DatedVersion, version_of, versions_of
from archive.search.lookup import post_named
from archive.system.catalogues import process_language
from archive.system.files import write_bytes
from mparchive.console import (
    facts_table,
    label,
    localized,
    marked_text,
    out,
    print_json,
    report_failures,
    say,
    shortened,
    table_with,
    translated,
)
from mparchive.errors import CommandError, Exit

CONTEXT = 60  # characters of unchanged text shown before and after a change

_EXTENT = ("added", "removed")  # of a version against the one before

_RANGE = re.compile(r"(\d{0,9})\.\.(\d{0,9})")


def show(  # noqa: PLR0913 - all but the view by name
    name: str,
    account: str | None,
    view: str,
    *,
    versions: str = "",
    version: int = 1,
    as_json: bool = False,
) -> Exit:
    """Print a post: `view` is summary, text, raw, history, diff, version, links, html or open.

    Summary, history, one version and the difference of two `versions` (N..M) may also be printed as JSON.
    Raises NotArchived where no post or several fit, CommandError where there is no such page or version.
    """
    with open_archive() as engine, transaction(engine) as session:
        post = post_named(session, name, account)
        match view:
            case "text":
                sys.stdout.write(post.text.replace("\r", "\n") + "\n")
            case "raw":
                sys.stdout.buffer.write(_raw_page(session, post))
            case "history":
                print_history(session, post, as_json)
            case "diff":
                print_difference(session, post, versions, as_json)
            case "version":
                print_version(session, post, version, as_json)
            case "links":
                out.print(_link_table(session, post))
            case "html":
                return print_page(session, post)
            case "open":
                return open_page(session, post)
            case _ if as_json:
                print_json(_post_as_json(session, post))
            case _:
                out.print(_summary_table(session, post))
    return Exit.DONE


def _raw_page(session: Session, post: Post) -> bytes:
    """Return the latest page of the post as the server sent it."""
    captures = captures_repository.list_captures(session, post)
    pages = [one for one in captures if one["outcome"] == "article" and not one["rendered"]]
    if not pages:
        raise CommandError(Message("mparchive.show.no_page", {"aid": post.aid, "url": shlex.quote(post.url)}))
    return bodies.capture_body(session, pages[0]["id"])


def _summary_table(session: Session, post: Post) -> Table:
    published = post.published_at.astimezone(SHANGHAI) if post.published_at else post.published_on
    listed = captures_repository.list_captures(session, post)
    captures = [f"{c['fetched_at']:%Y-%m-%d %H:%M}Z {_outcome(c['outcome'])}" for c in listed]
    facts = {
        "aid": post.aid,
        "title": post.title,
        "account": post.account_name,
        "published": str(published),
        "kind": label("mparchive.kind.", post.kind)
        if post.kind
        else translated("mparchive.show.not_fetched"),
        **_payment(post),
        "url": post.url,
        "versions": str(len(versions_of(session, post))),
        "captures": ", ".join(captures) or translated("mparchive.show.no_captures"),
        "text": shortened(post.text),
    }
    return facts_table({label("mparchive.field.", name): value for name, value in facts.items()})


def _payment(post: Post) -> dict[str, str]:
    if not post.page_metadata.get("paid"):
        return {}
    code = "mparchive.show.preview" if is_preview(post.page_metadata) else "mparchive.show.paid_whole"
    return {"paid": translated(code)}


def _outcome(outcome: str | None) -> str:
    return label("mparchive.outcome.", outcome) if outcome else translated("mparchive.show.not_parsed")


def _link_table(session: Session, post: Post) -> Table:
    table = table_with(*(label("mparchive.field.", name) for name in ("relation", "text", "target")))
    for link in links_of(session, post):
        relation = label("mparchive.relation.", link.relation)
        table.add_row(relation, Text(shortened(link.text)), Text(link.url or link.key))
    return table


def print_page(session: Session, post: Post) -> Exit:
    """Write the page of a post to stdout."""
    page, code = _page(session, post)
    sys.stdout.buffer.write(page)
    return code


def open_page(session: Session, post: Post) -> Exit:
    """Write the page below the data folder, print its path, and open it where there is a display."""
    from archive.export.file_names import FileNames  # noqa: PLC0415 - as below

    page, code = _page(session, post)
    path = ArchiveSettings().home.absolute() / "pages" / f"{FileNames().of_post(post)}.html"
    write_bytes(path, page, is_private=True)
    sys.stdout.write(f"{path}\n")
    if not (_has_display() and webbrowser.open(path.as_uri())):
        say(Message("mparchive.show.no_browser"))
    return code


def _page(session: Session, post: Post) -> tuple[bytes, Exit]:
    """Return the page of a post, and the exit code for what of it cannot be read, which is printed."""
    from archive.export.result import ExportResult, post_name  # noqa: PLC0415 - a fifth second, for pages alone
    from archive.rendering.page import offline_page, shown_post  # noqa: PLC0415
    from archive.storage.media_files import MediaFolder  # noqa: PLC0415

    shown = shown_post(session, post, MediaFolder(ArchiveSettings()))
    try:
        page = offline_page(shown).encode("utf-8", "replace")
    except Exception as error:
        params = {"post": post_name(post), "reason": error_message(error)}
        raise CommandError(Message("mparchive.show.page_failed", params), Exit.PARTLY_FAILED) from None
    result = ExportResult()
    result.add_post(shown.media.problems, shown.media.damaged)
    return page, report_failures(result)


def _has_display() -> bool:
    """Tell whether a browser with windows can start; one in the terminal would take the terminal over."""
    named = os.environ.get("BROWSER") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(named) or sys.platform in ("darwin", "win32")


def print_history(session: Session, post: Post, as_json: bool) -> None:
    """Print versions, captures and take-downs in order of time."""
    history = history_of(session, post)
    if as_json:
        next_visit = _isoformat(_next_visit(session, post))
        print_json({"aid": post.aid, **history_as_json(history), "next_visit_at": next_visit})
        return
    table = table_with(*(label("mparchive.field.", name) for name in ("time", "event", "details")))
    for event in timeline(history):
        table.add_row(_local_time(event.at), *map(Text, _event_texts(event)))
    out.print(table)


def history_as_json(history: History) -> dict[str, Any]:
    """Return versions, absences, captures and removed pictures as JSON values; instants are UTC."""
    return {
        "versions": [_version_as_json(change) for change in history.changes],
        "absences": [_absence_as_json(absence) for absence in history.absences],
        "captures": [
            {
                **one,
                "reason": str(one["reason"]),
                "sha256": one["sha256"].hex(),
                "fetched_at": one["fetched_at"].isoformat(),
            }
            for one in history.captures
        ],
        "gone_pictures": [
            {**asdict(gone), "fetched_at": gone.fetched_at.isoformat()} for gone in history.pictures
        ],
    }


def print_difference(session: Session, post: Post, wanted: str, as_json: bool) -> None:
    """Print the changes between two versions: `wanted` is N..M, or `..` for the latest two.

    Raises CommandError where there are no such versions.
    """
    before, after = _select_versions(versions_of(session, post), wanted)
    pieces = changes_between(before, after)
    if as_json:
        listed = [asdict(piece) for piece in pieces]
        print_json({"aid": post.aid, "before": before.number, "after": after.number, "pieces": listed})
        return
    for version, sign in ((before, "---"), (after, "+++")):
        source = label("mparchive.version_source.", version.source)
        out.print(Text(f"{sign} {_listed(_version_name(version), _local_time(version.at), source)}"))
    out.print(marked_text(with_context(pieces, CONTEXT), coloured=out.is_terminal))


def print_version(session: Session, post: Post, number: int, as_json: bool) -> None:
    """Print one version whole: its title, when it was seen, and its text. Raises NotArchived."""
    version = version_of(session, post, number)
    cited = citation_of(session, post, biz_of(session, post), version=number)
    if as_json:
        change = Change(version, Extent(0, 0))
        values = {name: value for name, value in _version_as_json(change).items() if name not in _EXTENT}
        print_json(
            {"biz": cited.biz, "aid": post.aid, **values, "sha256": cited.sha256, "text": version.text}
        )
        return
    out.print(Text(version.title), Text(cited.note(process_language()), "dim"), sep="\n")
    out.print(Text("\n" + version.text.replace("\r", "\n")))


def _version_as_json(change: Change) -> dict[str, Any]:
    return change.version.as_dict() | asdict(change.extent)


def _absence_as_json(absence: Absence) -> dict[str, Any]:
    instants = ("last_seen_at", "first_missing_at", "last_missing_at", "returned_at")
    return {
        "outcome": absence.outcome,
        "reason": absence.reason,
        **{name: _isoformat(getattr(absence, name)) for name in instants},
        "capture_id": absence.capture_id,
        "returned_capture_id": absence.returned_capture_id,
    }


def _isoformat(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _next_visit(session: Session, post: Post) -> datetime | None:
    """Return when the daemon fetches the post again if its daily limit allows, as a UTC instant."""
    state = revisit_state(session, post)
    if state is None:
        return None
    return next_visit(state.since, state.tried_at, INTERVALS.away if state.is_away else INTERVALS.there)


def _event_texts(event: Event) -> tuple[str, str]:
    """Return the name and the details of an event."""
    match event.what:
        case Change() as change:
            return _version_name(change.version), _change_text(change)
        case Absence() as absence:
            if event.is_return:
                return translated("mparchive.show.event.back"), ""
            return translated("mparchive.show.event.missing"), _absence_text(absence)
        case GonePictures() as gone:
            details = translated("mparchive.show.event.pictures_removed", n=gone.count)
            return translated("mparchive.show.event.pictures"), details
        case capture:
            rendered = translated("mparchive.show.rendered") if capture["rendered"] else ""
            details = _listed(_outcome(capture["outcome"]), localized(capture["reason"]), rendered)
            return translated("mparchive.show.event.capture", id=capture["id"]), details


def _version_name(version: DatedVersion) -> str:
    return translated("mparchive.show.event.version", number=version.number)


def _change_text(change: Change) -> str:
    version, extent = change.version, change.extent
    parser = version.parser_version and translated("mparchive.show.parser", version=version.parser_version)
    code = "mparchive.show.changed_characters" if version.place > 1 else "mparchive.show.characters"
    size = translated(code, n=extent.added, added=extent.added, removed=extent.removed)
    source = label("mparchive.version_source.", version.source)
    return _listed(source, parser or "", size, version.title, _recorded_text(version))


def _recorded_text(version: DatedVersion) -> str:
    """Return when a version was recorded, where its own time is not that of a response."""
    if version.dated_by is DatedBy.CAPTURE:
        return ""
    return translated(f"mparchive.show.dated_by.{version.dated_by}", at=_local_time(version.recorded_at))


def _absence_text(absence: Absence) -> str:
    seen, still = translated("mparchive.show.never_seen"), ""
    if absence.last_seen_at:
        seen = translated("mparchive.show.last_seen", at=_local_time(absence.last_seen_at))
    if not absence.returned_at:
        still = translated("mparchive.show.still_missing", at=_local_time(absence.last_missing_at))
    return _listed(_outcome(absence.outcome), localized(absence.reason), seen, still)


def _listed(*texts: str) -> str:
    return ", ".join(filter(None, texts))


def _local_time(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _select_versions(versions: Sequence[DatedVersion], wanted: str) -> tuple[DatedVersion, DatedVersion]:
    """Return the two versions of N..M. Raises CommandError."""
    match = _RANGE.fullmatch(wanted)
    if not match:
        raise CommandError(Message("mparchive.show.not_a_range", {"given": wanted}))
    if len(versions) < 2 and wanted == "..":
        raise CommandError(Message("mparchive.show.nothing_to_compare", {"n": len(versions)}))
    numbers = [version.number for version in versions]
    after = int(match[2] or numbers[-1])
    before = int(match[1]) if match[1] else _number_before(numbers, after)
    by_number = {version.number: version for version in versions}
    for number in (before, after):
        if number not in by_number:
            params = {"number": number, "last": max(numbers)}
            raise CommandError(Message("mparchive.show.no_such_version", params))
    return by_number[before], by_number[after]


def _number_before(numbers: Sequence[int], number: int) -> int:
    """Return the number of the version before one, by their evidence."""
    place = numbers.index(number) if number in numbers else 0
    return numbers[place - 1] if place else number - 1


def _post_as_json(session: Session, post: Post) -> dict[str, Any]:
    return {
        "post": post_queries.record_of(post).as_dict(),
        "kind": post.kind,
        "published_at": post.published_at.isoformat() if post.published_at else None,
        "page": post.page_metadata,
        **history_as_json(history_of(session, post)),
        "links": [
            {name: getattr(link, name) for name in ("relation", "position", "key", "url", "text")}
            | {"facts": link.page_metadata}
            for link in links_of(session, post)
        ],
        "media": [_medium_as_json(medium) for medium in media_of(session, post)],
    }


def _medium_as_json(medium: ShownMedium) -> dict[str, Any]:
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
        "last_reason": str(medium.last_reason),
    }
