"""What the scheduler asks and tells the archive: sources and when they are due, claims of addresses, habits.

Each function takes a session and leaves the commit to its caller.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive import store
from archive.finding import Watched
from archive.locks import runs_going_on
from archive.models import Account, Egress, Post, Run, SightingRow, SourceRow
from archive.of_post import NOON, PUBLISHED_AT
from archive.queries import DueAddress, due_addresses
from archive.text import storable

CLAIM_LASTS = timedelta(hours=25)  # longer than the longest crawl there may be: the outer bound
LINE_LASTS = timedelta(minutes=5)  # of a line that nobody is seen behind: its workers are gone
_CLAIMING = 4_170_205_812  # any number; whoever claims addresses holds this lock
MOST_FAILURES = 12  # counted; more make no difference


@dataclass(frozen=True, slots=True)
class Failures:
    """Runs that failed one after the other. `last_at` is UTC."""

    count: int
    last_at: datetime | None


def watched(session: Session, biz: str | None = None) -> list[Watched]:
    """The sources that were ever tried or planned, of one account or of all, by account and name."""
    columns = [getattr(SourceRow, name) for name in Watched.__slots__ if name not in ("biz", "account")]
    rows = select(Account.biz, Account.name.label("account"), *columns)
    rows = rows.join(Account, Account.id == SourceRow.account_id)
    if biz is not None:
        rows = rows.where(Account.biz == biz)
    found = session.execute(rows.order_by(Account.biz, SourceRow.name))
    return [Watched(**row) for row in found.mappings()]


def plan_sources(session: Session, biz: str, times: Mapping[str, datetime]) -> None:
    """Note when sources of an account are asked next; those not known yet become known."""
    account_id = store.account_id(session, biz)
    row = postgresql.insert(SourceRow)
    row = row.on_conflict_do_update(
        constraint="uq__sources__account_id_name", set_={"next_try_at": row.excluded.next_try_at}
    )
    values = [
        {"account_id": account_id, "name": storable(name), "next_try_at": times[name]}
        for name in sorted(times)
    ]
    if values:
        session.execute(row, values)


def published_instants(session: Session, biz: str, since: datetime) -> list[datetime]:
    """When an account published, where its pages told the instant, first to last."""
    rows = select(Post.published_at).join(Account, Account.id == Post.account_id)
    rows = rows.where(Account.biz == biz, Post.published_at >= since)
    return [instant for instant in session.scalars(rows.order_by(Post.published_at)) if instant is not None]


def newest_post(session: Session, biz: str) -> datetime | None:
    """When the newest archived post of an account was published: the instant, or else noon of its day."""
    rows = select(func.max(PUBLISHED_AT))
    return session.scalar(rows.join(Account, Account.id == Post.account_id).where(Account.biz == biz))


def published_days(session: Session, biz: str, since: datetime) -> list[datetime]:
    """Noon in Asia/Shanghai of the days an account published on, first to last: also of posts of dumps."""
    rows = select(NOON).join(Account, Account.id == Post.account_id).where(Account.biz == biz)
    found = session.scalars(rows.where(Post.published_on >= since.date()).distinct().order_by(NOON))
    return list(found)


def claim_due(
    session: Session, command: str, egress: str, limit: int, now: datetime
) -> tuple[int, list[DueAddress]]:
    """Open a run for addresses that are due and that no open run has; its id (0: nothing is due), and them.

    Two that claim at the same time get different ones.
    """
    session.execute(select(func.pg_advisory_xact_lock(_CLAIMING)))
    taken = _claimed(session, now)
    due = [one for one in due_addresses(session, now, limit + len(taken)) if one.id not in taken][:limit]
    if not due:
        return 0, []
    run_id = store.start_run(session, command, {"egress": egress, "due": len(due)}, now)
    store.assign(session, run_id, [address.id for address in due])
    return run_id, due


def something_is_due(session: Session, now: datetime) -> bool:
    """Whether any address is due that no open run has."""
    taken = _claimed(session, now)
    return any(one.id not in taken for one in due_addresses(session, now, len(taken) + 1))


def _claimed(session: Session, now: datetime) -> set[int]:
    """Addresses of open runs: the daemon's where somebody is seen behind its line, others that go on."""
    egress = Run.arguments["egress"].astext
    live = select(Egress.name).where(Egress.seen_at > now - LINE_LASTS)
    lives = egress.in_(live) | (egress.is_(None) & Run.id.in_(runs_going_on()))
    open_runs = select(Run.id).where(Run.finished_at.is_(None), Run.started_at > now - CLAIM_LASTS, lives)
    return set(session.scalars(select(SightingRow.address_id).where(SightingRow.run_id.in_(open_runs))))


def close_left_runs(session: Session, command: str, egress: str, now: datetime) -> int:
    """Close the runs that workers of a line, which are gone, left open; how many."""
    left = Run.finished_at.is_(None) & (Run.command == command) & (Run.arguments["egress"].astext == egress)
    closed = update(Run).where(left).values(verdict="failed", finished_at=now)
    return len(session.execute(closed.returning(Run.id)).all())


def failures_in_a_row(session: Session, command: str, egress: str, verdicts: Collection[str]) -> Failures:
    """How many of a line's last runs ended with one of these verdicts, and when the last of them did."""
    of_line = (Run.command == command) & (Run.arguments["egress"].astext == egress)
    rows = select(Run.verdict, Run.finished_at).where(of_line, Run.finished_at.is_not(None))
    ended = session.execute(rows.order_by(Run.id.desc()).limit(MOST_FAILURES)).all()
    failed = list(takewhile(lambda run: run.verdict in verdicts, ended))
    return Failures(len(failed), failed[0].finished_at if failed else None)


def failed_jobs(session: Session, within: timedelta) -> dict[str, int]:
    """How many jobs of each kind were given up within this time, by the database's own clock."""
    rows = session.execute(
        text(
            "SELECT task_name, count(DISTINCT job.id) FROM jobs.procrastinate_jobs job"
            " JOIN jobs.procrastinate_events event ON event.job_id = job.id AND event.type = 'failed'"
            " WHERE job.status = 'failed' AND event.at > now() - :within GROUP BY task_name"
        ),
        {"within": within},
    )
    return {name: count for name, count in rows}


def watched_since(session: Session, biz: str) -> datetime | None:
    """When the first source of an account came to be known; None before any was asked."""
    rows = select(func.min(SourceRow.since)).join(Account, Account.id == SourceRow.account_id)
    return session.scalar(rows.where(Account.biz == biz))
