"""What becomes of media: shown by posts, downloaded, missed. Each function leaves the commit to its caller.

A medium's file is written before its row says so: a row never points to nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.decide import next_medium_fetch
from archive.media.kept import KeptFile
from archive.media.queries import media_of_run
from archive.models import FileRow, MediumRow, PostMedium
from archive.posts import CurrentPage
from archive.reading import Medium
from archive.text import index_key, storable, storable_json
from archive.vocabulary import MediumOutcome

BATCH = 500  # rows a statement
EXPIRED = "its address has expired"
NO_ADDRESS = "the page gives no address"
_BY_KEY = MediumRow.key.collate("C")
_FRESH = ("url", "expires_at", "attempts", "last_outcome", "last_reason", "next_fetch_at")


def tie_media(session: Session, pages: Sequence[CurrentPage], now: datetime) -> None:
    """Note what posts show; media not known are due at once, whatever their type.

    What only an earlier page of a post showed stays tied to that page's capture.
    """
    shown: dict[tuple[int, str, str], tuple[int, Medium]] = {}
    for page in pages:
        shown |= _first_places(page)
    ids = _put_media(session, [medium for _, medium in shown.values()], now)
    values = [
        {
            "post_id": post_id,
            "medium_id": ids[key],
            "capture_id": capture_id,
            "role": role,
            "position": medium.position,
            "facts": storable_json(medium.facts),
        }
        for (post_id, role, key), (capture_id, medium) in sorted(shown.items(), key=lambda item: item[0])
    ]
    row = postgresql.insert(PostMedium)
    newest = {name: row.excluded[name] for name in ("capture_id", "position", "facts")}
    row = row.on_conflict_do_update(constraint="uq__post_media__post_id_role_medium_id", set_=newest)
    if values:
        session.execute(row, values)


def _first_places(page: CurrentPage) -> dict[tuple[int, str, str], tuple[int, Medium]]:
    """What a page shows by post, role and key; of what stands there twice, the first place."""
    places: dict[tuple[int, str, str], tuple[int, Medium]] = {}
    for medium in sorted(page.reading.media, key=lambda medium: medium.position):
        places.setdefault((page.post_id, medium.role, index_key(medium.key)), (page.capture_id, medium))
    return places


def _put_media(session: Session, media: Iterable[Medium], now: datetime) -> dict[str, int]:
    """Ids of media by key. An address that is newer than the one known makes what has no file due again."""
    rows: dict[str, dict[str, Any]] = {}
    for medium in media:
        row = _row(medium, now)
        rows[row["key"]] = _fresher(rows.get(row["key"]), row)
    keys = sorted(rows)
    if keys:
        session.execute(_insert_or_refresh(), [rows[key] for key in keys])
    ids: dict[str, int] = {}
    for start in range(0, len(keys), BATCH):
        wanted = select(MediumRow.key, MediumRow.id).where(MediumRow.key.in_(keys[start : start + BATCH]))
        ids.update((key, number) for key, number in session.execute(wanted))
    return ids


def _insert_or_refresh() -> postgresql.Insert:
    row = postgresql.insert(MediumRow)
    known = MediumRow.expires_at
    return row.on_conflict_do_update(
        constraint="uq__media__key",
        set_={name: row.excluded[name] for name in _FRESH},
        where=MediumRow.file_id.is_(None)
        & (row.excluded.url != "")
        & (row.excluded.url != MediumRow.url)
        & (known.is_(None) | row.excluded.expires_at.is_(None) | (row.excluded.expires_at > known)),
    )


def _row(medium: Medium, now: datetime) -> dict[str, Any]:
    reason = NO_ADDRESS if not medium.url else EXPIRED if _is_over(medium.expires_at, now) else ""
    return {
        "key": index_key(medium.key),
        "url": storable(medium.url),
        "type": medium.role.type,
        "attempts": 0,
        "last_outcome": None,
        "last_reason": reason,
        "next_fetch_at": None if reason else now,
        "expires_at": medium.expires_at,
    }


def _fresher(known: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    """Of two rows of one medium the one whose address lasts longer."""
    if known is None or not known["url"]:
        return row
    if not row["url"] or (
        known["expires_at"] and row["expires_at"] and row["expires_at"] < known["expires_at"]
    ):
        return known
    return row


def _is_over(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


def keep_file(session: Session, medium_id: int, kept: KeptFile, now: datetime, url: str = "") -> None:
    """Note that a medium's file is in the media folder; call it after MediaFolder.put.

    `now` is when it came, and `url` the address it came from, where that may be another than the one known.

    One a transaction: two that note the same files the other way round would wait for each other.
    """
    medium = session.get_one(MediumRow, medium_id, with_for_update=True)
    row = postgresql.insert(FileRow).values(
        sha256=kept.sha256,
        size=kept.size,
        media_type=kept.media_type,
        width=kept.width,
        height=kept.height,
        path=kept.path,
        first_stored_at=now,
    )
    # the path of the file that was just put is one that is there for certain
    row = row.on_conflict_do_update(constraint="uq__files__sha256", set_={"path": row.excluded.path})
    medium.file_id = session.execute(row.returning(FileRow.id)).scalar_one()
    medium.attempts, medium.next_fetch_at = 0, None
    medium.url = storable(url) or medium.url
    _note(medium, MediumOutcome.KEPT, "", now)
    session.flush()


def note_missed(session: Session, medium_id: int, outcome: MediumOutcome, reason: str, now: datetime) -> None:
    """Note that a medium was refused or failed, and why; it is asked for again later, within bounds.

    One a transaction: tie_media takes several by their keys.
    """
    medium = session.get_one(MediumRow, medium_id, with_for_update=True)
    if medium.file_id is not None:  # another process had more luck
        return
    medium.attempts += 1
    again = next_medium_fetch(outcome, medium.attempts, now)
    medium.next_fetch_at = None if again and _is_over(medium.expires_at, again) else again
    _note(medium, outcome, reason, now)
    session.flush()


def _note(medium: MediumRow, outcome: MediumOutcome, reason: str, now: datetime) -> None:
    medium.last_outcome, medium.last_reason, medium.last_tried_at = outcome, storable(reason), now


def make_due(session: Session, run_id: int, now: datetime) -> int:
    """Ask now for every medium without a file of the posts a run saw, also for those given up; how many."""
    wanted = MediumRow.id.in_(media_of_run(run_id)) & (MediumRow.url != "")
    alive = MediumRow.expires_at.is_(None) | (MediumRow.expires_at > now)
    return _set(session, wanted & alive, {"next_fetch_at": now, "attempts": 0})


def give_up_expired(session: Session, now: datetime) -> int:
    """Ask no more for media whose addresses have expired, until a page gives new ones; how many."""
    over = MediumRow.next_fetch_at.is_not(None) & (MediumRow.expires_at <= now)
    return _set(session, over, {"next_fetch_at": None, "last_reason": EXPIRED})


def _set(session: Session, which: ColumnElement[bool], values: dict[str, Any]) -> int:
    rows = select(MediumRow.id).where(which, MediumRow.file_id.is_(None)).order_by(_BY_KEY)
    locked = session.scalars(rows.with_for_update()).all()
    for start in range(0, len(locked), BATCH):
        chosen = MediumRow.id.in_(locked[start : start + BATCH])
        session.execute(update(MediumRow).where(chosen).values(values))
    return len(locked)
