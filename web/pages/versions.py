"""Pages of one version of a post, at its permanent address, and the citations of a post."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Post
from archive.domain.outcomes import CitationFormat
from archive.reports.citations import Citation, citation_of, format_citations
from archive.repository.versions import version_numbers, version_of
from web.api.routes import get_post
from web.api.schemas import AidParam, BizParam, NumberParam
from web.pages.posts import CITE, VERSION, body_markup, render_post, request_origin
from web.pages.render import SECURITY_HEADERS, add_page, empty_is_none

# Media type and ending of a downloaded citation; reference managers choose their importer by them.
_FILES = {
    CitationFormat.GBT7714: ("text/plain; charset=utf-8", "txt"),
    CitationFormat.BIBTEX: ("application/x-bibtex; charset=utf-8", "bib"),
    CitationFormat.RIS: ("application/x-research-info-systems; charset=utf-8", "ris"),
    CitationFormat.CSL_JSON: ("application/vnd.citationstyles.csl+json", "json"),
}

_FILE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

_OptionalVersion = Annotated[
    Annotated[int, Field(ge=1, lt=2**31)] | None, BeforeValidator(empty_is_none), Query()
]


def versions_router(readers: Readers, origin: str = "") -> APIRouter:
    """Return /posts/BIZ/AID/versions/N and /posts/BIZ/AID/cite; `origin` is the archive's address in both."""
    router = APIRouter()

    def version(request: Request, biz: BizParam, aid: AidParam, number: NumberParam) -> Response:
        with readers.session() as session:
            post = get_post(session, biz, aid)
            values = _version_values(session, post, number)
            citation = _citation(session, request, post, biz, number)
            return render_post(session, request, post, biz, VERSION, citation=citation, **values)

    def cite(request: Request, biz: BizParam, aid: AidParam, version: _OptionalVersion = None) -> Response:
        with readers.session() as session:
            post = get_post(session, biz, aid)
            citation = _citation(session, request, post, biz, version)
            texts = [(str(form), format_citations([citation], form)) for form in CitationFormat]
            numbers = version_numbers(session, post)
            values: dict[str, Any] = {"citation": citation, "texts": texts, "numbers": numbers}
            return render_post(session, request, post, biz, CITE, **values)

    def download(
        request: Request, biz: BizParam, aid: AidParam, form: CitationFormat, version: _OptionalVersion = None
    ) -> Response:
        with readers.session() as session:
            citation = _citation(session, request, get_post(session, biz, aid), biz, version)
        media_type, ending = _FILES[form]
        headers = {
            **SECURITY_HEADERS,
            "Content-Security-Policy": _FILE_POLICY,
            "Content-Disposition": f'attachment; filename="{citation.key}.{ending}"',
            "Cache-Control": "private, no-cache",
        }
        content = format_citations([citation], form).encode("utf-8", "replace")
        return Response(content, headers=headers, media_type=media_type)

    def _citation(session: Session, request: Request, post: Post, biz: str, number: int | None) -> Citation:
        return citation_of(session, post, biz, version=number, origin=origin or request_origin(request))

    add_page(router, "/posts/{biz}/{aid}/versions/{number}", version)
    add_page(router, "/posts/{biz}/{aid}/cite", cite)
    add_page(router, "/posts/{biz}/{aid}/cite/{form}", download)
    return router


def _version_values(session: Session, post: Post, number: int) -> dict[str, Any]:
    version = version_of(session, post, number)
    numbers = version_numbers(session, post)
    place = numbers.index(number)
    return {
        "version": version,
        "body": body_markup(version.text),
        "previous": numbers[place - 1] if place else None,
        "following": numbers[place + 1] if place + 1 < len(numbers) else None,
    }
