"""Which of an account's posts each source listed, first or alone, and how late.

Each function takes a session. Instants are aware UTC.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import ARRAY, Text, any_, func, literal, select
from sqlalchemy.orm import Session

from archive.db.models import Account, Address, Post, Sighting
from archive.domain.messages import Message
from archive.domain.monitoring import NEIGHBOURS, TITLES_ONLY, SourceName, SourceStatus, SourceType
from archive.repository.sources import source_statuses

PERIOD = timedelta(days=90)

_KINDS = tuple(kind for kind in SourceType if kind != NEIGHBOURS)


@dataclass(frozen=True, slots=True)
class SourceCoverage:
    """What one source listed of an account's posts.

    `seen`: posts; `first`: before any other source; `alone`: that no other listed. `delay`: the median from
    publication to when it first listed a post; of posts published since it was first of use.
    """

    name: str
    state: str | None = None
    detail: str = ""
    seen: int = 0
    first: int = 0
    alone: int = 0
    delay: timedelta | None = None

    @property
    def finds(self) -> Message:
        """Return what a source of its kind finds."""
        return finds(self.name)


@dataclass(frozen=True, slots=True)
class AccountCoverage:
    """The sources of an account in a period that ends now; `missing`: kinds of sources that it does not have.

    `posts`: archived posts published in the period; `unlisted`: those that no source listed.
    """

    biz: str
    account: str
    posts: int
    unlisted: int
    sources: tuple[SourceCoverage, ...]
    missing: tuple[str, ...]

    @property
    def is_blind(self) -> bool:
        """Tell whether no source gives addresses of new posts: links between its own posts do not."""
        return all(one.name in (NEIGHBOURS, TITLES_ONLY) for one in self.sources)

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs; delays in seconds, words in English."""
        return {
            "account": self.account,
            "biz": self.biz,
            "days": PERIOD.days,
            "posts": self.posts,
            "listed_by_no_source": self.unlisted,
            "new_posts_are_found": not self.is_blind,
            "sources": [_source_as_dict(one) for one in self.sources],
            "not_configured": [
                {"source": kind, "finds": str(finds(kind)), "needs": str(needs(kind))}
                for kind in self.missing
            ],
        }


def _source_as_dict(one: SourceCoverage) -> dict[str, Any]:
    return {
        "source": one.name,
        "state": one.state,
        "detail": str(Message.load(one.detail)),
        "finds": str(one.finds),
        "seen": one.seen,
        "first": one.first,
        "alone": one.alone,
        "median_delay_seconds": None if one.delay is None else round(one.delay.total_seconds()),
    }


def finds(name: str) -> Message:
    """Return what a source finds, by its name or kind."""
    return Message(f"archive.source.finds.{SourceName.parse(name).type}")


def needs(name: str) -> Message:
    """Return what it takes to switch a kind of source on."""
    return Message(f"archive.source.needs.{SourceName.parse(name).type}")


def source_coverage(
    session: Session, biz: str, now: datetime, configured: Collection[str] | None = None
) -> AccountCoverage:
    """Return what the sources of an account listed of its posts of the PERIOD before `now`.

    `configured`: the names of the sources that are configured; None where that is not known: then the sources
    that were ever tried are shown.
    """
    account = session.scalar(select(Account).where(Account.biz == biz))
    statuses = {one.name: one for one in source_statuses(session, biz)}
    chosen = statuses if configured is None else configured
    names = sorted({*chosen, NEIGHBOURS}, key=lambda name: (name == NEIGHBOURS, name))
    published = _published(session, account.id, now) if account else {}
    seen = _first_sightings(session, account.id, names, published) if account else {}
    present = {SourceName.parse(name).type for name in names}
    return AccountCoverage(
        biz,
        account.name if account else "",
        len(published),
        len(published.keys() - seen.keys()),
        tuple(_of_source(name, statuses.get(name), published, seen) for name in names),
        tuple(kind for kind in _KINDS if kind not in present),
    )


def _published(session: Session, account_id: int, now: datetime) -> dict[str, datetime]:
    """Return when the posts of the period were published, by aid; of those whose page gives the instant."""
    rows = select(Post.aid, Post.published_at).where(Post.account_id == account_id)
    rows = rows.where(Post.published_at >= now - PERIOD, Post.published_at <= now)
    return {aid: at for aid, at in session.execute(rows) if at is not None}


def _first_sightings(
    session: Session, account_id: int, names: Sequence[str], published: Mapping[str, datetime]
) -> dict[str, dict[str, datetime]]:
    """Return when sources first listed posts, by aid and name of the source."""
    rows = select(Address.aid, Sighting.source, func.min(Sighting.first_seen_at))
    rows = rows.join(Sighting, Sighting.address_id == Address.id)
    aids = literal(list(published), ARRAY(Text))
    rows = rows.where(Address.account_id == account_id, Address.aid == any_(aids))
    rows = rows.where(Sighting.source.in_(names)).group_by(Address.aid, Sighting.source)
    found: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
    for aid, source, at in session.execute(rows):
        if aid is not None:
            found[aid][source] = at
    return dict(found)


def _of_source(
    name: str,
    status: SourceStatus | None,
    published: Mapping[str, datetime],
    seen: Mapping[str, Mapping[str, datetime]],
) -> SourceCoverage:
    mine = {aid: by[name] for aid, by in seen.items() if name in by}
    since = min(mine.values(), default=None)
    delays = [
        (at - published[aid]).total_seconds() for aid, at in mine.items() if since and published[aid] >= since
    ]
    return SourceCoverage(
        name,
        status.state if status else None,
        status.detail if status else "",
        len(mine),
        sum(at == min(seen[aid].values()) for aid, at in mine.items()),
        sum(len(seen[aid]) == 1 for aid in mine),
        timedelta(seconds=max(0.0, median(delays))) if delays else None,
    )


def delay_message(delay: timedelta | None) -> Message | None:
    """Return a delay in words; None where none is known."""
    if delay is None:
        return None
    minutes = round(delay / timedelta(minutes=1))
    if minutes < 100:
        return Message("archive.source.delay_minutes", {"n": minutes})
    return Message("archive.source.delay_hours", {"hours": f"{minutes / 60:.1f}"})
