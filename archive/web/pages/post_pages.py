"""One post: its text, its page, its history, its captures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from archive import absences, queries
from archive.errors import NotArchived
from archive.history import changes_between, history_of
from archive.links import archived_posts, links_of
from archive.media.kept import KeptFile
from archive.media.queries import ShownMedium, media_of
from archive.models import Post, PostLink, Version
from archive.offline.addresses import clean_address, clean_link
from archive.offline.post import text_markup
from archive.vocabulary import Role
from archive.web.api.posts import found_post
from archive.web.api.shapes import Aid, Biz
from archive.web.pages.asked import add_page
from archive.web.pages.changes import events, shortened
from archive.web.pages.files import shown_at
from archive.web.pages.reading import readable
from archive.web.pages.render import instant, page
from archive.web.pages.visit import Visit
from archive.web.readers import Readers

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
            return _page(session, request, post, biz, "captures", captures=queries.captures_of(session, post))

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
