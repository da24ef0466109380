"""Titles that the account's weekly digests list and that none of its posts has."""

import re
from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.digest import Digest, Title, Titles, normalised
from archive.gaps.gap import Gap, GapKind
from archive.gaps.whose import NO_SOURCE, Whose
from archive.models import AddressRow, Post, SightingRow, Version
from archive.of_post import IS_ITS_ADDRESS
from archive.vocabulary import AWAY, Outcome
from archive.work_list import NO_ANSWER

_LOOK = "`mparchive audit --fill` looks for it in the account's sources"
_KNOWN = (
    "an address listed by this title is among those that are mentioned: `mparchive audit --fill` fetches it"
)


def listed_titles(session: Session, its: Whose, digest_title: str) -> Iterator[Gap]:
    """Each once, however many digests list it. `digest_title`: a regular expression of digests' titles."""
    digests = _digests(session, its, digest_title)
    if not digests:
        return
    titles = Titles(_titles(session, its), _away(session, its))
    waiting = {normalised(title) for title in _waiting(session, its)}
    told: set[str] = set()
    for digest in digests:
        for title in titles.missing(digest):
            key = normalised(title)
            if key not in told:
                told.add(key)
                yield _gap(its, digest, title, is_known=key in waiting)


def _gap(its: Whose, digest: Digest, title: str, *, is_known: bool) -> Gap:
    remedy = _KNOWN if is_known else _LOOK if its.can_look else NO_SOURCE
    what = f"listed by {digest.aid} ({digest.title})"
    fillable = is_known or its.can_look
    return its.gap(
        GapKind.DIGEST, title, what, remedy, fillable=fillable, day=digest.published_on, title=title
    )


def _digests(session: Session, its: Whose, digest_title: str) -> list[Digest]:
    """Oldest first. Python's expressions are not Postgres', so that the titles are matched here."""
    pattern = re.compile(digest_title)
    rows = select(Post.id, Post.title).where(Post.account_id == its.account_id)
    chosen = [number for number, title in session.execute(rows) if pattern.search(title)]
    columns = (Post.aid, Post.title, Post.published_on, Post.text)
    found = select(*columns).where(Post.id.in_(chosen)).order_by(Post.published_on, Post.mid, Post.idx)
    return [Digest(*row) for row in session.execute(found)]


def _titles(session: Session, its: Whose) -> Iterator[Title]:
    """What the account's posts are and were called, by their pages and by whoever listed them."""
    own = Post.account_id == its.account_id
    current = select(Post.title, Post.published_on).where(own)
    earlier = select(Version.title, Post.published_on).join(Post, Post.id == Version.post_id)
    listed = select(SightingRow.title, Post.published_on).distinct()
    listed = listed.join(AddressRow, AddressRow.id == SightingRow.address_id).join(Post, IS_ITS_ADDRESS)
    for rows in (
        current,
        earlier.where(own, Version.title != Post.title),
        listed.where(own, SightingRow.title.not_in(("", Post.title))),
    ):
        for title, day in session.execute(rows):
            yield Title(title, day)


def _away(session: Session, its: Whose) -> Sequence[str]:
    """The titles by which posts were listed that are deleted, taken down or private: no gaps."""
    rows = select(SightingRow.title).join(AddressRow, AddressRow.id == SightingRow.address_id)
    rows = rows.where(its.addresses, AddressRow.last_outcome.in_(AWAY), SightingRow.title != "")
    return session.scalars(rows).all()


def _waiting(session: Session, its: Whose) -> Sequence[str]:
    """The titles by which posts were listed that wait to be fetched."""
    pending = AddressRow.last_outcome.is_(None) | AddressRow.last_outcome.in_(
        (Outcome.VERIFICATION, Outcome.RATE_LIMITED, NO_ANSWER)
    )
    rows = select(SightingRow.title).join(AddressRow, AddressRow.id == SightingRow.address_id)
    rows = rows.outerjoin(Post, IS_ITS_ADDRESS).where(its.addresses, pending, Post.id.is_(None))
    return session.scalars(rows.where(SightingRow.title != "")).all()
