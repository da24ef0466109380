"""Read which posts a source named by their title only, and which of these nothing has brought since.

Each function takes a session. Instants are aware UTC.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Account, Address, Post, Sighting, Source, Version
from archive.domain.monitoring import ANNOUNCED, AnnouncedPost
from archive.domain.records import SHANGHAI
from archive.domain.weekly_digest import normalised
from archive.repository.post_queries import IS_ITS_ADDRESS
from archive.repository.removals import forgotten_posts

SAME_POST = timedelta(days=1)  # between the days of an announcement and of a post with the same title


def announced_posts(session: Session, biz: str) -> list[AnnouncedPost]:
    """Return the posts of an account that are known by their title only, each once, the newest first.

    A post with the same title of that time, a listed address with that title, or its removal on purpose ends
    it: nothing is stored for that, so that it does not matter where the address came from.
    """
    rows = select(Source.type, Source.memory[ANNOUNCED]).join(Account, Account.id == Source.account_id)
    rows = rows.where(Account.biz == biz, Source.memory.has_key(ANNOUNCED))
    announced = [one for source, entries in session.execute(rows) for one in _read(source, entries)]
    if not announced:
        return []
    days = _days_by_title(session, biz)
    listed = {normalised(title) for title in session.scalars(_listed_titles(biz))}
    missing: dict[tuple[str, date | None], AnnouncedPost] = {}
    for one in sorted(announced, key=lambda one: one.first_seen_at):
        title, day = normalised(one.title), _day(one.published_at)
        if title not in listed and not _is_of(day, days.get(title, ())):
            missing.setdefault((title, day), one)
    return sorted(missing.values(), key=lambda one: one.published_at or one.first_seen_at, reverse=True)


def _read(source: str, entries: Any) -> Iterable[AnnouncedPost]:
    for entry in entries if isinstance(entries, list) else ():
        with suppress(KeyError, TypeError, ValueError):  # what another version stored
            published = entry["published_at"]
            yield AnnouncedPost(
                source,
                str(entry["title"]),
                datetime.fromisoformat(published) if published else None,
                datetime.fromisoformat(entry["first_seen_at"]),
            )


def _days_by_title(session: Session, biz: str) -> Mapping[str, list[date]]:
    """Return the days of an account's posts by the titles that they have or had, removed posts included."""
    own = select(Post.title, Post.published_on).join(Account, Account.id == Post.account_id)
    earlier = select(Version.title, Post.published_on).join(Post, Post.id == Version.post_id)
    earlier = earlier.join(Account, Account.id == Post.account_id)
    days: dict[str, list[date]] = {}
    for rows in (own, earlier):
        for title, day in session.execute(rows.where(Account.biz == biz)):
            days.setdefault(normalised(title), []).append(day)
    for post in forgotten_posts(session, biz):
        days.setdefault(normalised(post.title), []).append(post.published_on)
    return days


def _listed_titles(biz: str) -> Any:
    """Select the titles under which addresses of an account were listed that brought no post yet."""
    rows = select(Sighting.title).distinct().join(Address, Address.id == Sighting.address_id)
    rows = rows.outerjoin(Account, Account.id == Address.account_id).outerjoin(Post, IS_ITS_ADDRESS)
    rows = rows.where((Account.biz == biz) | (Address.expected_biz == biz))
    return rows.where(Sighting.title != "", Post.id.is_(None))


def _day(instant: datetime | None) -> date | None:
    return instant.astimezone(SHANGHAI).date() if instant else None


def _is_of(day: date | None, days: Iterable[date]) -> bool:
    return any(day is None or abs(day - one) <= SAME_POST for one in days)
