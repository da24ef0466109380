"""Whether the archive can be relied upon now: its schema, and how fresh it is."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from archive import schema
from archive.incidents import open_incidents
from archive.models import Account, SourceRow

LOOKED_WITHIN = timedelta(hours=36)  # of an account that is watched: quiet hours and a long challenge fit in
STALE = ("quiet", "blind")  # kinds of incidents that say that posts may go unseen


def unready(session: Session, now: datetime) -> list[str]:
    """Why the archive is not what its readers expect, one sentence each; empty: it is.

    `now` is an aware UTC instant. Accounts that no source watches are never stale.
    """
    return [*_schema(session), *_trouble(session), *_unwatched(session, now)]


def _schema(session: Session) -> list[str]:
    there, wanted = schema.revision(session.connection()), schema.newest()
    if there == wanted:
        return []
    return [f"the database's schema is {there}, this program's {wanted}; start the newer of the two again"]


def _trouble(session: Session) -> list[str]:
    return [f"{one.words}; {one.remedy}" for one in open_incidents(session) if one.key.split(":")[0] in STALE]


def _unwatched(session: Session, now: datetime) -> list[str]:
    looked = func.max(SourceRow.last_good_at)
    rows = select(Account.name, Account.biz, looked).join(SourceRow, SourceRow.account_id == Account.id)
    rows = rows.where(SourceRow.last_tried_at.is_not(None)).group_by(Account.id).order_by(Account.biz)
    return [
        f"{name or biz}: no source has worked since {_instant(last)}; see `mparchive status`, and whether "
        "`mparchive run` is running"
        for name, biz, last in session.execute(rows)
        if last is None or last < now - LOOKED_WITHIN
    ]


def _instant(last: datetime | None) -> str:
    return f"{last:%Y-%m-%d %H:%M} UTC" if last else "it was added"
