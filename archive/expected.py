"""Short links do not tell whose post they lead to; one of another account than expected is not taken."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.models import Account, AddressRow, CaptureRow, SourceRow
from archive.reading import Reading

STRANGER = "a post of another account"  # how the reason of such a capture begins


def without_strangers(session: Session, readings: Sequence[tuple[int, Reading]]) -> list[tuple[int, Reading]]:
    """The readings, without the record where a post is neither of the account expected nor of one watched.

    Its capture stays, with the reason; an address that somebody gave by hand expects nobody.
    """
    told = {capture_id: reading.biz for capture_id, reading in readings if reading.biz and reading.record}
    rows = select(CaptureRow.id, AddressRow.expected_biz).join(AddressRow)
    rows = rows.where(CaptureRow.id.in_(told), AddressRow.expected_biz.is_not(None))
    found = session.execute(rows)
    strangers = {number: expected for number, expected in found if expected and told[number] != expected}
    watched = _watched(session, {told[capture_id] or "" for capture_id in strangers})
    return [
        (capture_id, _stranger(reading, strangers[capture_id]))
        if capture_id in strangers and reading.biz not in watched
        else (capture_id, reading)
        for capture_id, reading in readings
    ]


def _watched(session: Session, bizs: set[str]) -> set[str]:
    """Which of these accounts new posts are looked for of."""
    if not bizs:
        return set()
    rows = select(Account.biz).where(Account.biz.in_(bizs))
    return set(session.scalars(rows.where(Account.id.in_(select(SourceRow.account_id)))))


def _stranger(reading: Reading, expected: str) -> Reading:
    reason = f"{STRANGER} ({reading.biz}) than the one its address was listed for ({expected})"
    return replace(reading, record=None, biz=None, reason=reason)
