"""Compute the result of a simulated month from the archive, the stand-in and the received alarms."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import (
    Absence,
    Address,
    Base,
    Capture,
    Incident,
    Medium,
    ParseResult,
    Post,
    Run,
    Version,
)
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import HOST
from tests.month.simulation import Push, Simulation
from tests.standin.account import Post as Made
from tests.standin.pages import Shown
from tests.standin.publishing import pushed
from tests.standin.server import OTHER_HOST


@dataclass(frozen=True)
class Result:
    """Counts of posts, requests, alarms and what was done to the machinery.

    `edits`, `away` and `returned` are what the archive's history shows.
    """

    days: int
    pushes: int
    published: int
    found: int
    archived: int
    duplicates: int
    lost: int
    false: int
    longest_delay: timedelta
    median_delay: timedelta
    requests: int
    revisits: int
    challenges: int
    alarms_raised: int
    alarms_cleared: int
    messages: int
    crawls: int
    kills: int
    restarts: int
    edits: int
    away: int
    returned: int
    pictures: int
    pictures_kept: int
    seconds: float
    keys: tuple[str, ...] = ()  # of all incidents
    still_open: tuple[str, ...] = ()

    @property
    def requests_per_post(self) -> float:
        """Return the requests to mp.weixin.qq.com per archived post, without visits to archived posts."""
        return (self.requests - self.revisits) / max(1, self.archived)


def result_of(simulation: Simulation, days: int) -> Result:
    """Compare what was published with what is in the archive."""
    machinery = simulation.machinery
    stats = machinery.standin.stats()
    expected = _expected(simulation)
    with (
        open_archive(ArchiveSettings(database_url=machinery.database_url)) as engine,
        transaction(engine) as session,
    ):
        posts = session.scalars(select(Post)).all()
        delays = sorted(_delays(session, simulation.pushes))
        incidents = session.scalars(select(Incident).order_by(Incident.id)).all()
        captured = session.scalar(select(func.count(Capture.address_id.distinct()))) or 0
        good = {post.aid for post in posts if _is(post, expected.get(post.aid))}
        return Result(
            days=days,
            pushes=len(simulation.pushes),
            published=len(expected),
            found=len(expected.keys() & set(session.scalars(select(Address.aid)))),
            archived=len(good),
            duplicates=_duplicates(session),
            lost=len(expected.keys() - {post.aid for post in posts}),
            false=len({post.aid for post in posts} - good),
            longest_delay=delays[-1] if delays else timedelta(0),
            median_delay=delays[len(delays) // 2] if delays else timedelta(0),
            requests=sum(
                one["host"] == HOST and not one["path"].startswith(OTHER_HOST) for one in stats["requests"]
            ),
            revisits=_count(session, Capture) - captured,
            challenges=sum(n for path, n in stats["paths"].items() if path.startswith("/mp/wappoc")),
            alarms_raised=len(incidents),
            alarms_cleared=sum(one.closed_at is not None for one in incidents),
            messages=len(machinery.receiver.messages),
            crawls=_count(session, Run, Run.command != "revisit"),
            kills=machinery.kills,
            restarts=machinery.restarts,
            edits=_states(session) - len(posts),
            away=_count(session, Absence),
            returned=_count(session, Absence, Absence.returned_at.is_not(None)),
            pictures=_count(session, Medium),
            pictures_kept=_count(session, Medium, Medium.file_id.is_not(None)),
            seconds=simulation.seconds,
            keys=tuple(one.key for one in incidents),
            still_open=tuple(one.key for one in incidents if one.closed_at is None),
        )


def _is(post: Post, fields: dict[str, str] | None) -> bool:
    return fields is not None and (post.title, post.text) == (fields["标题title"], fields["finalContent"])


def _expected(simulation: Simulation) -> dict[str, dict[str, str] | None]:
    """Return the record of each published post by aid: as shown now, or as published if it is taken down."""
    made = {post.aid: Shown(post).expected for push in simulation.pushes for post in _posts(push)}
    shown = {one["aid"]: one["fields"] for one in simulation.machinery.standin.describe()}
    return {aid: shown[aid] or one.fields for aid, one in made.items()}


def _posts(push: Push) -> list[Made]:
    return pushed(push.number, push.posts, push.at, push.account)


def _count(session: Session, table: type[Base], *which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(table).where(*which)) or 0


def _states(session: Session) -> int:
    """Count the different texts of posts."""
    different = select(Version.post_id, Version.content_hash).distinct().subquery()
    return session.scalar(select(func.count()).select_from(different)) or 0


def _duplicates(session: Session) -> int:
    """Count posts stored more than once, and versions equal to another one."""
    aids = session.scalar(select(func.count(Post.aid.distinct()))) or 0
    return (_count(session, Post) - aids) + (_count(session, Version) - _states(session))


def _delays(session: Session, pushes: Sequence[Push]) -> list[timedelta]:
    """Yield the delay from each post's publication to its first good capture, in simulated time."""
    first = select(Address.aid, func.min(Capture.fetched_at))
    first = first.join(Capture, Capture.address_id == Address.id)
    first = first.join(ParseResult, (ParseResult.capture_id == Capture.id) & ParseResult.is_current)
    first = first.where(ParseResult.outcome == "article")
    captured: dict[str | None, datetime] = {
        aid: at for aid, at in session.execute(first.group_by(Address.aid))
    }
    return [captured[post.aid] - push.at for push in pushes for post in _posts(push) if post.aid in captured]
