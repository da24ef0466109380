"""Posts: a list with filters, and each whole."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from archive import absences, queries, stream
from archive.errors import NotArchived
from archive.links import links_of
from archive.media.kept import KeptFile
from archive.media.queries import ShownMedium, media_of
from archive.models import Post
from archive.stream import Chosen
from archive.vocabulary import Kind
from archive.web.api.shapes import (
    AbsenceShape,
    AccountName,
    After,
    Aid,
    Biz,
    CaptureShape,
    Day,
    DumpRecord,
    FileShape,
    LinkShape,
    MediumShape,
    PostInList,
    PostPage,
    VersionShape,
    WholePost,
)
from archive.web.readers import Readers

USUAL, MOST = 20, 100  # posts a page


class Representation(StrEnum):
    """How posts are written."""

    API = "api"
    DUMP = "dump"


def posts_router(readers: Readers) -> APIRouter:
    """/posts and what is below."""
    router = APIRouter()

    @router.get("/posts", summary="Posts, newest first", response_model=PostPage | list[DumpRecord])
    def posts(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        response: Response,
        account: AccountName = None,
        kind: Kind | None = None,
        since: Day = None,
        until: Day = None,
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = USUAL,
        representation: Annotated[
            Representation, Query(description="dump: the six fields of the dump; the cursor is in Link")
        ] = Representation.API,
    ) -> PostPage | list[DumpRecord]:
        is_dump = representation is Representation.DUMP
        with readers.session() as session:
            chosen = Chosen(account, kind, since, until)
            page = stream.page(session, chosen, after, limit, [Post.text] if is_dump else [])
            if page.next:
                following = request.url.include_query_params(after=page.next)
                response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
            if is_dump:
                return [_record(post) for post, _ in page.posts]
            return PostPage(posts=[_in_list(post, biz) for post, biz in page.posts], next=page.next)

    @router.get("/posts/{biz}/{aid}", summary="A post with everything that is known of it")
    def post(biz: Biz, aid: Aid) -> WholePost:
        with readers.session() as session:
            return _whole(session, found_post(session, biz, aid), biz)

    @router.get("/posts/{biz}/{aid}/record", summary="A post as the dump has it")
    def record(biz: Biz, aid: Aid) -> DumpRecord:
        with readers.session() as session:
            return _record(found_post(session, biz, aid))

    return router


def found_post(session: Session, biz: str, aid: str) -> Post:
    """The post of this account. Raises NotArchived."""
    posts = queries.find_posts(session, aid, biz)
    if not posts:
        raise NotArchived(f"there is no post {aid} of {biz} in the archive")
    return posts[0]


def _record(post: Post) -> DumpRecord:
    return DumpRecord.model_validate(queries.record_of(post).as_dict())


def _in_list(post: Post, biz: str) -> PostInList:
    return PostInList.model_validate({**_fields(post, PostInList), "biz": biz})


def _fields(row: object, shape: type[PostInList]) -> dict[str, object]:
    return {name: getattr(row, name) for name in shape.model_fields if hasattr(type(row), name)}


def _whole(session: Session, post: Post, biz: str) -> WholePost:
    return WholePost(
        **_in_list(post, biz).model_dump(),
        text=post.text,
        facts=post.facts,
        media=[_medium_shape(medium) for medium in media_of(session, post)],
        links=[LinkShape.model_validate(link) for link in links_of(session, post)],
        versions=[VersionShape.model_validate(one) for one in queries.versions_of(session, post)],
        absences=[AbsenceShape.model_validate(one) for one in absences.of_post(session, post)],
        captures=[capture_shape(one) for one in queries.captures_of(session, post)],
    )


def _medium_shape(medium: ShownMedium) -> MediumShape:
    """A medium, its file's hash in hexadecimal digits."""
    fields = {name: getattr(medium, name) for name in MediumShape.model_fields if name != "file"}
    return MediumShape(**fields, file=_file_shape(medium.file) if medium.file else None)


def _file_shape(file: KeptFile) -> FileShape:
    return FileShape.model_validate({**asdict(file), "sha256": file.sha256.hex()})


def capture_shape(row: dict[str, object]) -> CaptureShape:
    """A capture's row, its hash in hexadecimal digits."""
    sha256 = row["sha256"]
    assert isinstance(sha256, bytes)  # noqa: S101 - it is a column of bytes
    return CaptureShape.model_validate({**row, "sha256": sha256.hex()})
