"""The API under /api/v1: posts, their history, search, accounts and status; read-only JSON."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Post, PostLink
from archive.db.settings import RequestSettings
from archive.domain.errors import NotArchived
from archive.domain.outcomes import Kind
from archive.domain.text_diff import difference
from archive.reports import status as status_module
from archive.reports.changes import ChangeFilter, change_page
from archive.repository import absences, bodies, captures, incidents, post_queries
from archive.repository.heads import last_head
from archive.repository.media import ShownMedium, StoredFile, media_of
from archive.repository.post_queries import PostFilter
from archive.repository.posts import links_of
from archive.repository.sources import source_statuses
from archive.repository.versions import DatedVersion, versions_of
from archive.search.engine import MAX_LIMIT, Hit, Order
from archive.search.lookup import find_hits
from web.api.schemas import (
    AbsenceShape,
    AccountParam,
    Accounts,
    AccountShape,
    AidParam,
    ArchiveHeadShape,
    BizParam,
    CaptureShape,
    ChainHeadShape,
    ChangeKindsParam,
    ChangePageShape,
    ChangeShape,
    CursorParam,
    Differences,
    DumpRecord,
    FileShape,
    IncidentShape,
    LinkShape,
    MarkParam,
    MediumShape,
    NumberParam,
    PieceShape,
    PostInList,
    PostPage,
    SinceParam,
    SourceShape,
    StatusShape,
    UntilParam,
    VersionShape,
    WholePost,
    WholeVersion,
)
from web.errors import PROBLEMS
from web.http_cache import IMMUTABLE, not_modified
from web.spooling import SpooledBody, SpooledResponse

DEFAULT_PAGE_POSTS, MAX_PAGE_POSTS = 20, 100


class Representation(StrEnum):
    """The form in which posts are listed."""

    API = "api"
    DUMP = "dump"


def posts_router(readers: Readers) -> APIRouter:
    """Return /posts and the addresses of one post."""
    router = APIRouter()

    @router.get("/posts", summary="Posts, newest first", response_model=PostPage | list[DumpRecord])
    def posts(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        response: Response,
        account: AccountParam = None,
        kind: Kind | None = None,
        since: SinceParam = None,
        until: UntilParam = None,
        mark: MarkParam = None,
        after: CursorParam = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE_POSTS)] = DEFAULT_PAGE_POSTS,
        representation: Annotated[
            Representation, Query(description="dump: the six fields of the dump; the cursor is in Link")
        ] = Representation.API,
    ) -> PostPage | Response:
        is_dump = representation is Representation.DUMP
        with readers.session() as session:
            chosen = PostFilter(account, kind, since, until, mark)
            page = post_queries.page(session, chosen, after, limit, within_text_limit=is_dump)
            if page.next:
                following = request.url.include_query_params(after=page.next)
                response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
            if is_dump:
                body = SpooledBody(_dump(session, [post for post, _ in page.posts]))
                return SpooledResponse(body, response.headers, "application/json")
            return PostPage(posts=[_in_list(post, biz) for post, biz in page.posts], next=page.next)

    @router.get("/posts/{biz}/{aid}", summary="A post with everything that is known of it")
    def post(biz: BizParam, aid: AidParam) -> WholePost:
        with readers.session() as session:
            return _whole_post(session, get_post(session, biz, aid), biz)

    @router.get("/posts/{biz}/{aid}/record", summary="A post as the dump has it")
    def record(biz: BizParam, aid: AidParam) -> DumpRecord:
        with readers.session() as session:
            return _record(get_post(session, biz, aid))

    return router


def get_post(session: Session, biz: str, aid: str) -> Post:
    """Return the post of this account. Raises NotArchived when there is none."""
    posts = post_queries.find_posts(session, aid, biz)
    if not posts:
        raise NotArchived("web.missing.post", aid=aid, biz=biz)
    return posts[0]


def _record(post: Post, text: str | None = None) -> DumpRecord:
    return DumpRecord.model_validate(post_queries.record_of(post, text).as_dict())


_TEXT_FIELD = f'"{DumpRecord.model_fields["text"].alias}":"'


def _dump(session: Session, posts: Sequence[Post]) -> Iterator[bytes]:
    """Write posts as the array that a dump is; a piece of one text is in memory at a time."""
    yield b"["
    texts = post_queries.texts_of(session, [post.id for post in posts])
    for number, (post, pieces) in enumerate(zip(posts, texts, strict=True)):
        head, tail = _record(post, "").model_dump_json().split(_TEXT_FIELD)
        yield f"{',' if number else ''}{head}{_TEXT_FIELD}".encode()
        for piece in pieces:
            yield json.dumps(piece, ensure_ascii=False)[1:-1].encode()
        yield tail.encode()
    yield b"]"


def _in_list(post: Post, biz: str) -> PostInList:
    return PostInList.model_validate({**_fields(post, PostInList), "biz": biz})


def _fields(row: object, shape: type[PostInList]) -> dict[str, object]:
    return {name: getattr(row, name) for name in shape.model_fields if hasattr(type(row), name)}


def _whole_post(session: Session, post: Post, biz: str) -> WholePost:
    return WholePost(
        **_in_list(post, biz).model_dump(),
        text=post.text,
        facts=post.page_metadata,
        media=[_medium_shape(medium) for medium in media_of(session, post)],
        links=[_link_shape(link) for link in links_of(session, post)],
        versions=[VersionShape.model_validate(one) for one in versions_of(session, post)],
        absences=[AbsenceShape.model_validate(one) for one in absences.absences_of(session, post)],
        captures=[capture_shape(one) for one in captures.list_captures(session, post)],
    )


def _link_shape(link: PostLink) -> LinkShape:
    fields = {name: getattr(link, name) for name in LinkShape.model_fields if name != "facts"}
    return LinkShape(**fields, facts=link.page_metadata)


def _medium_shape(medium: ShownMedium) -> MediumShape:
    """Return a medium, the hash of its file in hexadecimal digits."""
    fields = {name: getattr(medium, name) for name in MediumShape.model_fields if name != "file"}
    return MediumShape(**fields, file=_file_shape(medium.file) if medium.file else None)


def _file_shape(file: StoredFile) -> FileShape:
    return FileShape.model_validate({**asdict(file), "sha256": file.sha256.hex()})


def capture_shape(row: dict[str, object]) -> CaptureShape:
    """Return a capture's row, its hash in hexadecimal digits."""
    sha256 = row["sha256"]
    assert isinstance(sha256, bytes)  # noqa: S101 - it is a column of bytes
    return CaptureShape.model_validate({**row, "reason": str(row["reason"]), "sha256": sha256.hex()})


_VersionNumber = Annotated[int, Query(ge=1, lt=2**31)]

_BYTES = {200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


def history_router(readers: Readers) -> APIRouter:
    """Return the versions of posts, and the captures."""
    router = APIRouter()

    @router.get("/posts/{biz}/{aid}/versions/{number}", summary="A state of a post's text")
    def version(biz: BizParam, aid: AidParam, number: NumberParam) -> WholeVersion:
        with readers.session() as session:
            return WholeVersion.model_validate(_version(session, biz, aid, number))

    @router.get("/posts/{biz}/{aid}/difference", summary="What changed between two versions")
    def differences(
        biz: BizParam, aid: AidParam, before: _VersionNumber, after: _VersionNumber
    ) -> Differences:
        with readers.session() as session:
            older, newer = (_version(session, biz, aid, number) for number in (before, after))
        return Differences(
            before=before,
            after=after,
            title=[PieceShape.model_validate(piece) for piece in difference(older.title, newer.title)],
            text=[PieceShape.model_validate(piece) for piece in difference(older.text, newer.text)],
        )

    @router.get("/captures/{number}", summary="One answer of the server, without its bytes")
    def capture(number: NumberParam) -> CaptureShape:
        with readers.session() as session:
            return capture_shape(captures.get_capture_metadata(session, number))

    @router.get(
        "/captures/{number}/body",
        summary="The exact bytes that the server sent",
        response_class=Response,
        responses={**_BYTES, 304: {"description": "You have them"}},  # type: ignore[dict-item]  # as FastAPI has it
    )
    def body(number: NumberParam, request: Request) -> Response:
        with readers.session() as session:
            tag = f'"{captures.get_capture_metadata(session, number)["sha256"].hex()}"'
            headers = {"ETag": tag, "Cache-Control": IMMUTABLE, "X-Content-Type-Options": "nosniff"}
            if known := not_modified(request, headers):
                return known
            content = bodies.capture_body(session, number)
        headers["Content-Disposition"] = f'attachment; filename="capture-{number}"'
        return Response(content, headers=headers, media_type="application/octet-stream")

    return router


MAX_PAGE_CHANGES = 500


def changes_router(readers: Readers) -> APIRouter:
    """Return /changes."""
    router = APIRouter()

    @router.get("/changes", summary="Posts that were new, edited, removed or restored, newest first")
    def changes(  # noqa: PLR0913, PLR0917 - a filter is an argument
        account: AccountParam = None,
        kind: ChangeKindsParam = frozenset(),
        since: SinceParam = None,
        until: UntilParam = None,
        after: CursorParam = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE_CHANGES)] = 50,
    ) -> ChangePageShape:
        with readers.session() as session:
            page = change_page(session, ChangeFilter(account, kind, since, until), after, limit)
        shapes = [ChangeShape.model_validate(change) for change in page.changes]
        return ChangePageShape(changes=shapes, next=page.next)

    return router


def _version(session: Session, biz: str, aid: str, number: int) -> DatedVersion:
    versions = versions_of(session, get_post(session, biz, aid))
    for version in versions:
        if version.number == number:
            return version
    raise NotArchived("web.missing.version", n=len(versions), number=number)


class ExcerptPiece(BaseModel):
    """A piece of an excerpt; `found` if it is one of the words."""

    text: str
    found: bool


class HitShape(BaseModel):
    """A post that contains the words."""

    biz: str
    aid: str
    account: str
    title: str
    published_on: date
    kind: str | None
    excerpt: list[ExcerptPiece]


class Hits(BaseModel):
    """A page of hits; `next` is the cursor of the next page, null at the end."""

    hits: list[HitShape]
    next: str | None


def search_router(readers: Readers) -> APIRouter:
    """Return /search."""
    router = APIRouter()

    @router.get("/search", summary="Posts that contain the words")
    def find(  # noqa: PLR0913, PLR0917 - a filter is an argument
        q: Annotated[
            str,
            Query(description='Words, "phrases", -exclusions; or an address, aid or title', max_length=2000),
        ],
        account: AccountParam = None,
        kind: Kind | None = None,
        since: SinceParam = None,
        until: UntilParam = None,
        mark: MarkParam = None,
        order: Order = "date",
        after: CursorParam = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
    ) -> Hits:
        with readers.session() as session:
            chosen = PostFilter(account, kind, since, until, mark)
            found = find_hits(session, q, chosen, order=order, limit=limit, after=after)
        return Hits(hits=[_hit_shape(hit) for hit in found.hits], next=found.next)

    return router


def _hit_shape(hit: Hit) -> HitShape:
    pieces = [ExcerptPiece(text=text, found=found) for text, found in hit.excerpt]
    fields = {name: getattr(hit, name) for name in HitShape.model_fields if name != "excerpt"}
    return HitShape(**fields, excerpt=pieces)


MAX_INCIDENTS = 100

INCIDENTS_WITHIN = timedelta(days=30)  # that are listed


def state_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return /accounts, /status, /incidents and /heads; `now` gives an aware UTC instant."""
    router = APIRouter()

    @router.get("/accounts", summary="The accounts of the archive")
    def accounts() -> Accounts:
        with readers.session() as session:
            found = status_module.account_list(session)
        return Accounts(accounts=[AccountShape.model_validate(one) for one in found])

    @router.get("/status", summary="How much there is, what waits, what is wrong")
    def status() -> StatusShape:
        with readers.session() as session:
            bare_a_day = RequestSettings.read().bare_a_day
            values = asdict(status_module.archive_status(session, now(), bare_a_day))
            return StatusShape(
                **{name: values[name] for name in StatusShape.model_fields if name in values},
                incidents=[IncidentShape.model_validate(one) for one in incidents.open_incidents(session)],
                sources=[SourceShape.model_validate(one) for one in source_statuses(session)],
            )

    @router.get("/incidents", summary="What was wrong in the last 30 days, the latest first")
    def recent(limit: Annotated[int, Query(ge=1, le=MAX_INCIDENTS)] = 20) -> list[IncidentShape]:
        with readers.session() as session:
            found = incidents.recent_incidents(session, now() - INCIDENTS_WITHIN, limit)
        return [IncidentShape.model_validate(one) for one in found]

    @router.get("/heads", summary="The head of the archive, for `mparchive verify --head`")
    def heads() -> ArchiveHeadShape:
        with readers.session() as session:
            head = last_head(session)
        if head is None:
            return ArchiveHeadShape(taken_at=None, digest=None, heads=[])
        chains = [ChainHeadShape(**chain._asdict()) for chain in head.chains]
        return ArchiveHeadShape(taken_at=head.taken_at, digest=head.digest, heads=chains)

    return router


API = "/api/v1"


def api_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return the whole API; `now` gives an aware UTC instant."""
    router = APIRouter(prefix=API, tags=["api"], responses=PROBLEMS)
    for part in (posts_router, history_router, changes_router, search_router):
        router.include_router(part(readers))
    router.include_router(state_router(readers, now))
    return router
