"""What the archive lacks of an account, as `mparchive audit` finds it: its own page, for it takes a while."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby

from fastapi import APIRouter, Request, Response

from archive import queries
from archive.gaps import Gap, GapKind, find_gaps
from archive.web.api.shapes import Biz
from archive.web.pages.asked import add_page
from archive.web.pages.render import page
from archive.web.readers import Readers

MOST = 100  # shown of a kind; an imported dump lacks the page of every post


def gaps_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """/accounts/BIZ/gaps."""
    router = APIRouter()

    def gaps(request: Request, biz: Biz) -> Response:
        with readers.session() as session:
            account = queries.account_of(session, biz)
            kinds = _by_kind(find_gaps(session, account.id, now()))
        return page(request, "gaps.html", biz=biz, name=account.name or biz, kinds=kinds)

    add_page(router, "/accounts/{biz}/gaps", gaps)
    return router


def _by_kind(gaps: Sequence[Gap]) -> list[tuple[GapKind, int, list[Gap]]]:
    kinds = [(kind, list(found)) for kind, found in groupby(gaps, lambda gap: gap.kind)]
    return [(kind, len(found), found[:MOST]) for kind, found in kinds]
