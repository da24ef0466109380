"""Pages of one post: its text, its offline page, its history and its captures."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Absence, Post, PostLink
from archive.domain.addresses import clean_web_url
from archive.domain.errors import NotArchived
from archive.domain.messages import Message
from archive.domain.outcomes import Kind, Role
from archive.domain.parsed_page import is_preview
from archive.domain.text import unescape
from archive.domain.text_diff import Piece
from archive.rendering.images import clean_link
from archive.rendering.post_body import text_markup
from archive.reports.citations import citation_of, json_ld, meta_tags
from archive.reports.history import Change, GonePictures, History, changes_between, history_of, timeline
from archive.repository import captures as captures_repository
from archive.repository.absences import absences_of
from archive.repository.media import ShownMedium, StoredFile, media_of
from archive.repository.notes import MAX_NOTE, Note, notes_of
from archive.repository.posts import archived_posts, links_of
from archive.repository.versions import DatedBy, DatedVersion
from web.api.routes import get_post
from web.api.schemas import AidParam, BizParam
from web.pages.files import file_address
from web.pages.render import PageContext, add_page, format_instant, render_page

DIFF_CONTEXT = 120  # characters shown on each side of a change

MAX_UNCHANGED = 4 * DIFF_CONTEXT  # characters; a longer piece without a change is shortened


@dataclass(frozen=True, slots=True)
class ShownPiece:
    """A piece of a difference, or (kind left_out) the number of characters that are not shown."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """What happened at an instant, and the reason that the server or the parser gave."""

    at: datetime
    event: Message
    reason: Message | str = ""
    version: int | None = None


def timeline_entries(history: History, context: PageContext) -> Iterator[TimelineEntry]:
    """Describe the events of a post's history, first to last."""
    for event in timeline(history):
        match event.what:
            case Change() as change:
                message, note = _version_message(change, context), _dating_note(change.version)
                yield TimelineEntry(event.at, message, note, change.version.number)
            case Absence() if event.is_return:
                yield TimelineEntry(event.at, Message("web.history.available_again"))
            case Absence() as absence:
                yield TimelineEntry(event.at, _absence_message(absence, context), absence.reason)
            case GonePictures(count=count):
                yield TimelineEntry(event.at, Message("web.history.images_gone", {"n": count}))
            case capture:
                outcome = context.name_of("archive.outcome.", capture["outcome"] or "unread")
                captured = Message("web.history.captured", {"outcome": outcome})
                yield TimelineEntry(event.at, captured, capture["reason"])


def _version_message(change: Change, context: PageContext) -> Message:
    version, extent = change.version, change.extent
    params = {
        "number": version.number,
        "added": extent.added,
        "source": context.name_of("archive.version_source.", version.source),
    }
    if version.place == 1:
        return Message("web.history.version_first", params)
    return Message("web.history.version_changed", {**params, "removed": extent.removed})


def _dating_note(version: DatedVersion) -> Message | str:
    """Return when a version was recorded, where its own time is not that of a response."""
    if version.dated_by is DatedBy.CAPTURE:
        return ""
    return Message(f"web.history.dated_by.{version.dated_by}", {"at": version.recorded_at})


def _absence_message(absence: Absence, context: PageContext) -> Message:
    params = {"outcome": context.name_of("archive.outcome.", absence.outcome)}
    if absence.last_seen_at is None:
        return Message("web.history.unavailable", params)
    return Message("web.history.unavailable_last_seen", {**params, "at": absence.last_seen_at})


def shorten_unchanged(pieces: Sequence[Piece]) -> list[ShownPiece]:
    """Return the pieces with decoded entities, long ones without a change cut in the middle."""
    return [shown for piece in pieces for shown in _shown_pieces(piece)]


def _shown_pieces(piece: Piece) -> Iterator[ShownPiece]:
    text = unescape(piece.text).replace("\r", "\n")
    if piece.kind != "same" or len(text) <= MAX_UNCHANGED:
        yield ShownPiece(piece.kind, text)
        return
    yield ShownPiece("same", text[:DIFF_CONTEXT])
    yield ShownPiece("left_out", f"{len(text) - 2 * DIFF_CONTEXT:,}")
    yield ShownPiece("same", text[-DIFF_CONTEXT:])


_BLANK = re.compile(r"(?:\s|&nbsp;|&#160;|\u200b)*")


def collapse_blank_lines(text: str) -> str:
    """Return the text with one blank line for each run of them, and none before its first word."""
    lines = text.replace("\n", "\r").split("\r")
    runs = groupby(lines, lambda line: _BLANK.fullmatch(line) is not None)
    collapsed = [line for is_blank, run in runs for line in ([""] if is_blank else run)]
    return "\r".join(collapsed[1:] if collapsed[0] == "" else collapsed)


def body_markup(text: str) -> Markup:
    """Return a text of a post as HTML, everything in it escaped, without runs of blank lines."""
    return Markup(text_markup(collapse_blank_lines(text)))  # noqa: S704 - it escapes all of it


_VersionNumber = Annotated[int | None, Query(ge=1, lt=2**31)]


@dataclass(frozen=True, slots=True)
class PageMedium:
    """A medium with the address of its file; `reason` says why there is no file."""

    type: str
    file: StoredFile | None
    src: str
    reason: Message


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link to a post of the archive (`ours`: biz and aid), to an address elsewhere, or to nowhere."""

    relation: str
    key: str
    text: str
    ours: tuple[str, str] | None
    address: str


TEXT, PAGE, HISTORY, CAPTURES, CITE, VERSION = (
    "web.post.as_text",
    "web.post.as_page",
    "web.post.history",
    "web.label.captures",
    "web.post.cite",
    "web.history.version",
)  # the views of a post, by the codes of their names

_TEMPLATES = {
    TEXT: "post_text.html",
    PAGE: "post_page.html",
    HISTORY: "post_history.html",
    CAPTURES: "post_captures.html",
    CITE: "post_cite.html",
    VERSION: "post_version.html",
}


def post_router(readers: Readers, origin: str = "") -> APIRouter:
    """Return /posts/BIZ/AID and its other views; `origin` is the archive's address in citations."""
    router = APIRouter()

    def text(request: Request, biz: BizParam, aid: AidParam) -> Response:
        with readers.session() as session:
            post = get_post(session, biz, aid)
            values = _text_values(session, request, post)
            citation = citation_of(session, post, biz, origin=origin or request_origin(request))
            return render_post(session, request, post, biz, TEXT, citation=citation, **values)

    def offline(request: Request, biz: BizParam, aid: AidParam) -> Response:
        with readers.session() as session:
            post = get_post(session, biz, aid)
            lacking = missing_media(post, media_of(session, post))
            return render_post(session, request, post, biz, PAGE, lacking=lacking)

    def history(
        request: Request,
        biz: BizParam,
        aid: AidParam,
        before: _VersionNumber = None,
        after: _VersionNumber = None,
    ) -> Response:
        with readers.session() as session:
            post = get_post(session, biz, aid)
            kept = history_of(session, post)
            values = _history_values(kept, PageContext.of(request), before, after)
            return render_post(session, request, post, biz, HISTORY, absences=kept.absences, **values)

    def captures(request: Request, biz: BizParam, aid: AidParam) -> Response:
        with readers.session() as session:
            post = get_post(session, biz, aid)
            found = captures_repository.list_captures(session, post)
            return render_post(session, request, post, biz, CAPTURES, captures=found)

    for path, endpoint in (("", text), ("/page", offline), ("/history", history), ("/captures", captures)):
        add_page(router, f"/posts/{{biz}}/{{aid}}{path}", endpoint)
    return router


def request_origin(request: Request) -> str:
    """Return the address by which this request reached the archive, without a slash at its end."""
    return str(request.base_url).rstrip("/")


def render_post(  # noqa: PLR0913 - what all views of a post need
    session: Session,
    request: Request,
    post: Post,
    biz: str,
    view: str,
    *,
    absences: Sequence[Absence] | None = None,
    **values: Any,
) -> Response:
    """Render a view of a post, with what all of them show: whether it is away, and how to cite it.

    `absences` are those of the post, of a caller that has them.
    """
    known = absences_of(session, post) if absences is None else absences
    away = next((one for one in known if one.returned_at is None), None)
    citation = values.get("citation")
    shown = {**values, "citation": citation, "meta": meta_tags(citation) if citation else []}
    shown["json_ld"] = Markup(json_ld(citation)) if citation else ""  # noqa: S704 - it holds no < or &
    shown |= {
        "post": post,
        "biz": biz,
        "view": view,
        "away": away,
        "is_preview": is_preview(post.page_metadata),
    }
    return render_page(request, _TEMPLATES[view], **shown)


def _text_values(session: Session, request: Request, post: Post) -> dict[str, Any]:
    media = media_of(session, post)
    return {
        "body": body_markup(post.text),
        "lacking": missing_media(post, media),
        "noted": notes_of(session, [post.id]).get(post.id, Note()),
        "max_note": MAX_NOTE,
        "pictures": [_page_medium(one) for one in media if one.role == Role.IMAGE],
        "recordings": [_page_medium(one) for one in media if one.role in (Role.AUDIO, Role.VIDEO)],
        "links": list(_page_links(session, links_of(session, post))),
        "facts": [(code, value) for code, value in _facts(post, PageContext.of(request)) if value],
        "addresses": list(_addresses(post)),
    }


def missing_media(post: Post, media: Sequence[ShownMedium]) -> list[Message]:
    """Return what of a post's pictures and recordings is not archived, and why, grouped by the reason."""
    lacking = [(one.type, _reason(one)) for one in media if one.file is None and one.role in _SHOWN_ROLES]
    groups = Counter((medium_type, reason.dump()) for medium_type, reason in lacking)
    messages = [
        Message(f"web.post.lacking.{medium_type}", {"n": count, "reason": Message.load(reason)})
        for (medium_type, reason), count in groups.items()
    ]
    if post.capture_id and post.kind in _RECORDED and not any(one.role == post.kind for one in media):
        messages.append(Message(f"web.post.lacking_content.{post.kind}"))
    return messages


_SHOWN_ROLES = (Role.IMAGE, Role.AUDIO, Role.VIDEO)

_RECORDED = (Kind.AUDIO, Kind.VIDEO)  # posts whose content is a medium of the same name


def _reason(medium: ShownMedium) -> Message:
    return medium.last_reason or Message("web.post.not_downloaded")


def _page_medium(medium: ShownMedium) -> PageMedium:
    src = file_address(medium.file) if medium.file else ""
    return PageMedium(medium.type, medium.file, src, _reason(medium))


def _page_links(session: Session, links: Sequence[PostLink]) -> Iterator[PageLink]:
    ours = archived_posts(session, [link.key for link in links])
    for link in links:
        yield PageLink(link.relation, link.key, link.text, ours.get(link.key), clean_link(link.url))


def _facts(post: Post, context: PageContext) -> Iterator[tuple[str, str]]:
    facts = post.page_metadata
    yield "web.post.author", _stripped(facts.get("author"))
    yield "web.post.digest", _stripped(facts.get("digest"))
    yield "web.post.original", context.text("web.label.yes") if facts.get("original") else ""
    region = facts.get("region")
    parts = region if isinstance(region, dict) else {}
    names = (_stripped(parts.get(part)) for part in ("country", "province", "city"))
    yield "web.post.region", " ".join(filter(None, names))
    yield "web.post.first_archived", format_instant(post.first_archived_at)
    yield "web.label.number", post.aid


def _stripped(value: object) -> str:
    """Return a fact without blanks around it; "" for what is not a text, as facts hold any JSON."""
    return value.strip() if isinstance(value, str) else ""


def _addresses(post: Post) -> Iterator[tuple[str, str]]:
    source = _stripped(post.page_metadata.get("source_url"))
    for code, written in (("web.label.address", post.url), ("web.post.read_more", source)):
        if address := clean_web_url(written):
            yield code, address


def _history_values(
    history: History, context: PageContext, before: int | None, after: int | None
) -> dict[str, Any]:
    versions = {change.version.number: change.version for change in history.changes}
    last = max(versions, default=1)
    older, newer = before or max(last - 1, 1), after or last
    return {
        "events": list(timeline_entries(history, context)),
        "numbers": [(number, context.text("web.history.version", number=number)) for number in versions],
        "before": older,
        "after": newer,
        "pieces": shorten_unchanged(changes_between(_version(versions, older), _version(versions, newer)))
        if versions
        else [],
    }


def _version(versions: dict[int, DatedVersion], number: int) -> DatedVersion:
    if number not in versions:
        raise NotArchived("web.missing.version", n=len(versions), number=number)
    return versions[number]
