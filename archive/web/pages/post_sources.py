"""A post as the offline page, and captures as the server sent them: what is not ours, locked in."""

import structlog
from fastapi import APIRouter, Request, Response

from archive import queries
from archive.errors import MediaFolderError, PageError
from archive.export.written import reason_of
from archive.media.folder import MediaFolder
from archive.offline import ShownPost, offline_page, shown_post
from archive.offline.size import check_size
from archive.web.api.posts import found_post
from archive.web.api.shapes import Aid, Biz, Number
from archive.web.pages.asked import add_page
from archive.web.pages.render import GUARDED
from archive.web.readers import Readers
from archive.web.unchanged import unchanged

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
        check_size(shown.post)
        return offline_page(shown, MAX_OFFLINE).encode("utf-8", "replace")
    except MediaFolderError:
        raise
    except Exception as error:
        log.error(
            "the page of a post cannot be made",
            action="page_failed",
            aid=shown.post.aid,
            reason=reason_of(error),
        )
        raise PageError(
            f"the page of post {shown.post.aid} cannot be made ({reason_of(error)}); its text is at "
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
            tag = f'"{queries.capture_told(session, number)["sha256"].hex()}"'
            headers = {**GUARDED, "Content-Security-Policy": _SOURCE, "ETag": tag}
            if known := unchanged(request, headers):
                return known
            content = queries.capture_body(session, number)
        return Response(content, headers=headers, media_type="text/plain; charset=utf-8")

    add_page(router, "/posts/{biz}/{aid}/offline", offline)
    add_page(router, "/captures/{number}", source)
    return router
