"""What became of a post, in the reader's words. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Absence, Post, PostLink, Version
from archive.domain import entities
from archive.domain.errors import MediaFolderError, NotArchived, PageError
from archive.domain.outcomes import Role
from archive.domain.text_diff import Piece
from archive.export.result import failure_reason
from archive.rendering.images import clean_address, clean_link
from archive.rendering.page import ShownPost, check_page_size, offline_page, shown_post
from archive.rendering.post_body import text_markup
from archive.reports.history import Change, GonePictures, History, changes_between, history_of, timeline
from archive.repository import absences, captures
from archive.repository import captures as captures_repository
from archive.repository.links import archived_posts, links_of
from archive.repository.media import KeptFile, ShownMedium, media_of
from archive.storage.media_files import MediaFolder
from web.api.routes import found_post
from web.api.schemas import Aid, Biz, Number
from web.http_cache import unchanged
from web.locale.sentences.names import NAMES
from web.pages.files import shown_at
from web.pages.render import GUARDED, Visit, add_page, instant, page

CONTEXT = 120  # characters shown on each side of a change

LEFT_OUT = 4 * CONTEXT  # a longer stretch without a change is cut


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a difference, or (left_out) the number of characters that are not shown."""

    kind: str
    text: str


def events(history: History, visit: Visit) -> Iterator[tuple[datetime, str, str]]:
    """When, what, and the page's own words, first to last."""
    for event in timeline(history):
        match event.what:
            case Change() as change:
                yield event.at, _version_change(change, visit), ""
            case Absence() as absence if event.is_return:
                yield event.at, visit.word("returned"), ""
            case Absence() as absence:
                yield event.at, _missing(absence, visit), absence.reason
            case GonePictures(count=count):
                yield event.at, visit.word("gone_pictures", n=count), ""
            case capture:
                yield event.at, _captured(capture, visit), capture["reason"]


def _version_change(change: Change, visit: Visit) -> str:
    version, extent = change.version, change.extent
    name = "version_first" if version.number == 1 else "version_changed"
    source = version.source if visit.language == "en" else NAMES.get(version.source, version.source)
    return visit.word(name, n=version.number, added=extent.added, removed=extent.removed, source=source)


def _missing(absence: Absence, visit: Visit) -> str:
    words = visit.word("missing", outcome=visit.word(f"outcome.{absence.outcome}"))
    seen = visit.word("last_seen", at=instant(absence.last_seen_at)) if absence.last_seen_at else ""
    return "; ".join(filter(None, (words, seen)))


def _captured(capture: dict[str, Any], visit: Visit) -> str:
    return visit.word("captured", outcome=visit.word(f"outcome.{capture['outcome'] or 'unread'}"))


def shortened(pieces: Sequence[Piece]) -> list[Stretch]:
    """The pieces with line ends as people see them, long stretches without a change cut in the middle."""
    return [stretch for piece in pieces for stretch in _stretches(piece)]


def _stretches(piece: Piece) -> Iterator[Stretch]:
    text = entities.unescape(piece.text).replace("\r", "\n")
    if piece.kind != "same" or len(text) <= LEFT_OUT:
        yield Stretch(piece.kind, text)
        return
    yield Stretch("same", text[:CONTEXT])
    yield Stretch("left_out", f"{len(text) - 2 * CONTEXT:,}")
    yield Stretch("same", text[-CONTEXT:])


_BLANK = re.compile(r"(?:\s|&nbsp;|&#160;|\u200b)*")


def readable(text: str) -> str:
    """The text with one blank line for each run of them, and none before its first word."""
    lines = text.replace("\n", "\r").split("\r")
    runs = groupby(lines, lambda line: _BLANK.fullmatch(line) is not None)
    kept = [line for is_blank, run in runs for line in ([""] if is_blank else run)]
    return "\r".join(kept[1:] if kept[0] == "" else kept)


_Place = Annotated[int | None, Query(ge=1, lt=2**31)]


@dataclass(frozen=True, slots=True)
class Shown:
    """A medium, where we show it, and why not if we do not."""

    type: str
    file: KeptFile | None
    src: str
    why: str


@dataclass(frozen=True, slots=True)
class Lead:
    """A link: to a post of ours (biz and aid), or an address elsewhere, or nowhere."""

    relation: str
    key: str
    text: str
    ours: tuple[str, str] | None
    address: str


def post_router(readers: Readers) -> APIRouter:
    """/posts/BIZ/AID and its views."""
    router = APIRouter()

    def text(request: Request, biz: Biz, aid: Aid) -> Response:
        with readers.session() as session:
            post = found_post(session, biz, aid)
            return _page(session, request, post, biz, "as_text", **_text(session, request, post))

    def offline(request: Request, biz: Biz, aid: Aid) -> Response:
        with readers.session() as session:
            return _page(session, request, found_post(session, biz, aid), biz, "as_page")

    def history(
        request: Request, biz: Biz, aid: Aid, before: _Place = None, after: _Place = None
    ) -> Response:
        with readers.session() as session:
            post = found_post(session, biz, aid)
            told = _history(session, Visit.of(request), post, before, after)
            return _page(session, request, post, biz, "history", **told)

    def captures(request: Request, biz: Biz, aid: Aid) -> Response:
        with readers.session() as session:
            post = found_post(session, biz, aid)
            return _page(
                session,
                request,
                post,
                biz,
                "captures",
                captures=captures_repository.list_captures(session, post),
            )

    for path, endpoint in (("", text), ("/page", offline), ("/history", history), ("/captures", captures)):
        add_page(router, f"/posts/{{biz}}/{{aid}}{path}", endpoint)
    return router


_TEMPLATES = {
    "as_text": "post_text.html",
    "as_page": "post_page.html",
    "history": "post_history.html",
    "captures": "post_captures.html",
}


def _page(session: Session, request: Request, post: Post, biz: str, view: str, **values: Any) -> Response:
    away = next((one for one in absences.of_post(session, post) if one.returned_at is None), None)
    return page(request, _TEMPLATES[view], post=post, biz=biz, view=view, away=away, **values)


def _text(session: Session, request: Request, post: Post) -> dict[str, Any]:
    media = media_of(session, post)
    return {
        "text": Markup(text_markup(readable(post.text))),  # noqa: S704 - it escapes all of it
        "pictures": [_shown(one) for one in media if one.role == Role.IMAGE],
        "recordings": [_shown(one) for one in media if one.role in (Role.AUDIO, Role.VIDEO)],
        "links": list(_leads(session, links_of(session, post))),
        "facts": [(name, value) for name, value in _facts(post, Visit.of(request)) if value],
        "addresses": list(_addresses(post)),
    }


def _shown(medium: ShownMedium) -> Shown:
    src = shown_at(medium.file) if medium.file else ""
    return Shown(medium.type, medium.file, src, medium.last_reason)


def _leads(session: Session, links: Sequence[PostLink]) -> Iterator[Lead]:
    ours = archived_posts(session, [link.key for link in links])
    for link in links:
        yield Lead(link.relation, link.key, link.text, ours.get(link.key), clean_link(link.url))


def _facts(post: Post, visit: Visit) -> Iterator[tuple[str, str]]:
    facts = post.facts
    yield "author", _told(facts.get("author"))
    yield "digest", _told(facts.get("digest"))
    yield "original", visit.word("yes") if facts.get("original") else ""
    region = facts.get("region")
    named = region if isinstance(region, dict) else {}
    yield "region", " ".join(filter(None, (_told(named.get(n)) for n in ("country", "province", "city"))))
    yield "first_archived", instant(post.first_archived_at)
    yield "number", post.aid


def _told(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _addresses(post: Post) -> Iterator[tuple[str, str]]:
    for name, written in (("address", post.url), ("read_more", _told(post.facts.get("source_url")))):
        if address := clean_address(written):
            yield name, address


def _history(
    session: Session, visit: Visit, post: Post, before: int | None, after: int | None
) -> dict[str, Any]:
    history = history_of(session, post)
    versions = {change.version.number: change.version for change in history.changes}
    last = max(versions, default=1)
    older, newer = before or max(last - 1, 1), after or last
    return {
        "events": list(events(history, visit)),
        "numbers": [(number, visit.word("version_n", n=number)) for number in versions],
        "before": older,
        "after": newer,
        "pieces": shortened(changes_between(_version(versions, older), _version(versions, newer)))
        if versions
        else [],
    }


def _version(versions: dict[int, Version], number: int) -> Version:
    if number not in versions:
        raise NotArchived(f"there are {len(versions)} versions of this post, and no version {number}")
    return versions[number]


# The page's own policy once more, and no script even if it were wrong: it has no origin at all.
_OFFLINE = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)

_SOURCE = "default-src 'none'; frame-ancestors 'none'; sandbox"

log = structlog.get_logger()

MAX_OFFLINE = 24 * 1024 * 1024  # characters of pictures: a reader waits for it, eight may at once


def _offline_page(shown: ShownPost) -> bytes:
    """The page; raises PageError, in words for the reader, where it cannot be made."""
    try:
        check_page_size(shown.post)
        return offline_page(shown, MAX_OFFLINE).encode("utf-8", "replace")
    except MediaFolderError:
        raise
    except Exception as error:
        log.error(
            "the page of a post cannot be made",
            action="page_failed",
            aid=shown.post.aid,
            reason=str(failure_reason(error)),
        )
        raise PageError(
            f"the page of post {shown.post.aid} cannot be made ({failure_reason(error)}); its text is at "
            "the post's own address, and `mparchive export --format html` takes longer over large posts"
        ) from None


def sources_router(readers: Readers, folder: MediaFolder) -> APIRouter:
    """/posts/…/offline and /captures/…"""
    router = APIRouter()

    def offline(biz: Biz, aid: Aid) -> Response:
        with readers.session() as session:
            shown = shown_post(session, found_post(session, biz, aid), folder)
        content = _offline_page(shown)
        headers = {**GUARDED, "Content-Security-Policy": _OFFLINE, "Cache-Control": "private, no-cache"}
        return Response(content, headers=headers, media_type="text/html")

    def source(request: Request, number: Number) -> Response:
        with readers.session() as session:
            tag = f'"{captures.get_capture_metadata(session, number)["sha256"].hex()}"'
            headers = {**GUARDED, "Content-Security-Policy": _SOURCE, "ETag": tag}
            if known := unchanged(request, headers):
                return known
            content = captures.capture_body(session, number)
        return Response(content, headers=headers, media_type="text/plain; charset=utf-8")

    add_page(router, "/posts/{biz}/{aid}/offline", offline)
    add_page(router, "/captures/{number}", source)
    return router
