"""Feeds: /feeds/posts.* with the filters of the stream and of search, /feeds/changes.* with those of changes.

Each as Atom (.atom), RSS 2.0 (.rss) and JSON Feed (.json). /feeds/accounts.opml lists those of
all accounts and of saved searches for feed readers.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, time
from functools import partial
from itertools import chain
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Post
from archive.domain.messages import Message
from archive.domain.outcomes import ChangeKind, Kind, PostMark, Role
from archive.domain.parsed_page import is_preview
from archive.domain.records import SHANGHAI
from archive.domain.text import has_visible_character, storable, unescape
from archive.rendering.page import PREVIEW_NOTE
from archive.reports.changes import ChangeFilter, PostChange, change_page
from archive.reports.post_list import covers
from archive.repository import accounts, post_queries
from archive.repository.heads import last_head
from archive.repository.media import StoredFile
from archive.repository.notes import saved_searches
from archive.repository.post_queries import PostFilter
from archive.repository.versions import last_changes, last_recorded
from archive.search.engine import search
from archive.search.lookup import split_notes
from archive.search.query import Query as SearchQuery
from archive.search.query import parse
from archive.system.catalogues import Language
from web.api.schemas import AccountParam, ChangeKindsParam, CursorParam
from web.errors import PROBLEMS
from web.feed_formats import (
    ATOM_MEDIA_TYPE,
    JSON_FEED_MEDIA_TYPE,
    OPML_MEDIA_TYPE,
    RSS_MEDIA_TYPE,
    FeedDocument,
    FeedEntry,
    FeedPicture,
    printable,
    write_atom,
    write_json_feed,
    write_opml,
    write_rss,
)
from web.http_cache import entity_tag, http_date, not_modified
from web.pages.files import file_address
from web.pages.notes import search_addresses
from web.pages.render import PageContext
from web.spooling import SpooledBody, SpooledResponse


def feed_entry(  # noqa: PLR0913, PLR0917 - each argument is a part of the entry
    post: Post,
    biz: str,
    text: Iterable[str],
    changed: datetime | None,
    origin: str,
    picture: StoredFile | None = None,
) -> FeedEntry:
    """Return a post with this text, in pieces, as an entry.

    `changed` dates its newest version by its evidence. `picture` is left out if no browser shows it.
    """
    published = _published(post)
    is_part = is_preview(post.page_metadata or {})
    return FeedEntry(
        id=_entry_id(biz, post.aid),
        title=printable(post.title).strip() if has_visible_character(post.title) else post.aid,
        author=printable(post.account_name) or biz,
        page=f"{origin}/posts/{quote(biz, safe='=')}/{post.aid}",
        source=printable(post.url),
        published=published,
        updated=max(published, changed or published),
        kind=post.kind,
        paragraphs=_paragraphs(chain(text, [f"\r{PREVIEW_NOTE}"]) if is_part else text),
        is_preview=is_part,
        picture=_feed_picture(picture, origin) if picture else None,
    )


def _feed_picture(file: StoredFile, origin: str) -> FeedPicture | None:
    address = file_address(file)
    return FeedPicture(f"{origin}{address}", file.media_type, file.size) if address else None


def _entry_id(biz: str, aid: str) -> str:
    mid, _, idx = aid.partition("_")
    return f"https://mp.weixin.qq.com/s?__biz={biz}&mid={mid}&idx={idx}"


def change_entry(change: PostChange, origin: str, language: Language) -> FeedEntry:
    """Return a change as an entry, described in a language; its page is the history of the post."""
    kind = Message(f"archive.change_kind.{change.kind}").text(language)
    title = printable(change.title).strip() if has_visible_character(change.title) else change.aid
    return FeedEntry(
        id=f"{_entry_id(change.biz, change.aid)}#{change.kind}-{change.version or change.at.isoformat()}",
        title=f"[{kind}] {title}",
        author=printable(change.account) or change.biz,
        page=f"{origin}{_change_path(change)}",
        source=printable(change.url),
        published=change.at,
        updated=change.at,
        kind=change.kind,
        paragraphs=list(_change_paragraphs(change, language)),
    )


def _change_path(change: PostChange) -> str:
    """Return the path and query of the page that shows a change: the post, or its history."""
    path = f"/posts/{quote(change.biz, safe='=')}/{change.aid}"
    if change.kind is ChangeKind.NEW:
        return path
    if change.kind is ChangeKind.EDITED:
        return f"{path}/history?before={change.previous_version}&after={change.version}"
    return f"{path}/history"


def _change_paragraphs(change: PostChange, language: Language) -> Iterator[str]:
    yield printable(change.description().text(language))
    if change.reason:
        yield printable(Message.load(change.reason).text(language))


def _published(post: Post) -> datetime:
    return post.published_at or datetime.combine(post.published_on, time(), SHANGHAI)


def _paragraphs(text: Iterable[str]) -> Iterator[str]:
    """Yield the paragraphs of a text, with entities decoded and without blank lines."""
    rest = ""
    for piece in text:
        *whole, rest = (rest + piece).split("\r")
        yield from _printed(whole)
    yield from _printed([rest])


def _printed(parts: Iterable[str]) -> Iterator[str]:
    return (printable(line) for part in parts if (line := unescape(part).strip()))


FEED_ENTRIES = 50  # of a page: feed readers ask every hour, an account publishes some posts a day

_EMPTY_SINCE = datetime(2012, 8, 23, tzinfo=UTC)  # date of a feed without entries: no account is older

_Writer = Callable[[FeedDocument], Iterator[bytes]]

_Search = Annotated[str | None, Query(max_length=2000, description="A search")]


def feeds_router(readers: Readers) -> APIRouter:
    """Return the feeds in each format, and their list."""
    router = APIRouter(tags=["feeds"])
    formats: tuple[tuple[str, str, _Writer], ...] = (
        ("atom", ATOM_MEDIA_TYPE, write_atom),
        ("rss", RSS_MEDIA_TYPE, write_rss),
        ("json", JSON_FEED_MEDIA_TYPE, write_json_feed),
    )
    for ending, media_type, write in formats:
        posts, changes = _post_feed(readers, media_type, write), _change_feed(readers, media_type, write)
        _add_feed(router, ("posts", ending, media_type), posts, "The newest posts with their texts")
        _add_feed(router, ("changes", ending, media_type), changes, "What changed last")
    router.add_api_route(
        "/feeds/accounts.opml",
        _feed_list(readers),
        methods=["GET"],
        operation_id="feed_list",
        summary=f"The feeds of all accounts and saved searches, for feed readers ({OPML_MEDIA_TYPE})",
        response_class=Response,
        responses={**PROBLEMS, 200: {"content": {OPML_MEDIA_TYPE: {"schema": {"type": "string"}}}}},
    )
    return router


def _feed_list(readers: Readers) -> Callable[..., Response]:
    def feed_list(
        request: Request, lang: Annotated[Language, Query(description="Language of the titles")] = "zh"
    ) -> Response:
        origin = str(request.base_url).rstrip("/")
        with readers.session() as session:
            names, searches = accounts.account_names(session), saved_searches(session)
        changes = f"mparchive · {Message('web.changes.title').text(lang)}"
        feeds = [
            ("mparchive", f"{origin}/feeds/posts.atom", f"{origin}/"),
            (changes, f"{origin}/feeds/changes.atom?lang={lang}", f"{origin}/changes"),
        ]
        for biz, name in names:
            feed = f"{origin}/feeds/posts.atom?account={quote(biz, safe='')}"
            feeds.append((printable(name).strip() or biz, feed, f"{origin}/accounts/{quote(biz, safe='=')}"))
        for saved in searches:
            page, feed = search_addresses(saved, PageContext.of(request))
            feeds.append((printable(saved.name).strip(), f"{origin}{feed}", f"{origin}{page}"))
        content = write_opml("mparchive", feeds)
        headers = {
            "ETag": f"W/{entity_tag(content)}",
            "Cache-Control": "no-cache",
            "Content-Disposition": 'attachment; filename="mparchive.opml"',
            "X-Content-Type-Options": "nosniff",
        }
        return not_modified(request, headers) or Response(
            content, headers=headers, media_type=OPML_MEDIA_TYPE
        )

    return feed_list


def _post_feed(readers: Readers, media_type: str, write: _Writer) -> Callable[..., Response]:
    def feed(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        account: AccountParam = None,
        kind: Kind | None = None,
        changed: PostMark | None = None,
        q: _Search = None,
        after: CursorParam = None,
    ) -> Response:
        with readers.session() as session:
            page = _find_posts(session, PostFilter(account, kind, mark=changed), q, after)
            found = _feed_document(session, request, page, _title(session, account, kind, changed, q))
            body = SpooledBody(write(found))
        return _answer(request, body, found, media_type)

    return feed


def _change_feed(readers: Readers, media_type: str, write: _Writer) -> Callable[..., Response]:
    def feed(
        request: Request,
        account: AccountParam = None,
        kind: ChangeKindsParam = frozenset(),
        after: CursorParam = None,
        lang: Annotated[Language, Query(description="Language of the descriptions")] = "zh",
    ) -> Response:
        with readers.session() as session:
            page = change_page(session, ChangeFilter(account, kind), after, FEED_ENTRIES)
            title = _title(session, account, *sorted(kind))
            head = last_head(session, {change.biz for change in page.changes})
        origin = str(request.base_url).rstrip("/")
        found = FeedDocument(
            title=f"{title} · {Message('web.changes.title').text(lang)}",
            address=str(request.url),
            home=f"{origin}/changes",
            next=str(request.url.include_query_params(after=page.next)) if page.next else None,
            updated=max((change.at for change in page.changes), default=_EMPTY_SINCE),
            entries=[change_entry(change, origin, lang) for change in page.changes],
            head=head,
        )
        return _answer(request, SpooledBody(write(found)), found, media_type)

    return feed


def _add_feed(
    router: APIRouter, names: tuple[str, str, str], feed: Callable[..., Response], summary: str
) -> None:
    subject, ending, media_type = names
    name = f"feed_{ending}" if subject == "posts" else f"feed_{subject}_{ending}"
    router.add_api_route(
        f"/feeds/{subject}.{ending}",
        feed,
        methods=["GET"],
        name=name,
        operation_id=name,
        summary=f"{summary} ({media_type})",
        response_class=Response,
        responses={
            **PROBLEMS,
            200: {"content": {media_type: {"schema": {"type": "object" if ending == "json" else "string"}}}},
            304: {"description": "You have it"},
        },
    )


def _find_posts(
    session: Session, chosen: PostFilter, words: str | None, after: str | None
) -> post_queries.Page[Post]:
    if words is None:
        return post_queries.page(session, chosen, after, FEED_ENTRIES, within_text_limit=True)
    words, chosen = split_notes(words, chosen)
    has_words = words or not (chosen.tags or chosen.is_starred)
    query = parse(words) if has_words else SearchQuery(())
    find = partial(search, session, query, chosen, after=after)
    found = find(limit=FEED_ENTRIES)
    if (fitting := post_queries.count_fitting(session, [hit.post_id for hit in found.hits])) < len(
        found.hits
    ):
        found = find(limit=fitting)
    posts = post_queries.listed_posts(session, [hit.post_id for hit in found.hits])
    return post_queries.Page([(posts[hit.post_id], hit.biz) for hit in found.hits], found.next)


def _feed_document(
    session: Session, request: Request, page: post_queries.Page[Post], title: str
) -> FeedDocument:
    ids = [post.id for post, _ in page.posts]
    changed = last_changes(session, ids)
    origin = str(request.base_url).rstrip("/")
    following = page.next and str(request.url.include_query_params(after=page.next))
    dates = (max(_published(post), changed.get(post.id, _EMPTY_SINCE)) for post, _ in page.posts)
    texts = post_queries.texts_of(session, ids)
    pictures = covers(session, ids, (Role.COVER, Role.IMAGE))
    return FeedDocument(
        title=title,
        address=str(request.url),
        home=f"{origin}/",
        next=following or None,
        updated=max(dates, default=_EMPTY_SINCE),
        entries=(
            feed_entry(post, biz, text, changed.get(post.id), origin, pictures.get(post.id))
            for (post, biz), text in zip(page.posts, texts, strict=True)
        ),
        recorded_at=last_recorded(session, ids),
        head=last_head(session, {biz for _, biz in page.posts}),
    )


def _title(session: Session, account: str | None, *filters: str | None) -> str:
    name = account and (accounts.account_name(session, storable(account)) or account)
    parts = ["mparchive", *(printable(part) for part in (name, *filters) if part)]
    return " · ".join(parts)


def _answer(request: Request, body: SpooledBody, feed: FeedDocument, media_type: str) -> Response:
    """Answer with the document, or 304 if it has not changed since the client asked before.

    A feed changes with its entries, and with the head of the archive, which follows every other change.
    """
    changed = feed.recorded_at or feed.updated
    headers = {
        "ETag": body.entity_tag,
        "Last-Modified": http_date(max(changed, feed.head.taken_at) if feed.head else changed),
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if known := not_modified(request, headers):
        body.close()
        return known
    return SpooledResponse(body, headers, media_type)
