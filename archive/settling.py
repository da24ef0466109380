"""What asking an address came to: when it is asked next, and which post it turned out to be.

Part of archive.store, whose rules on sessions and locks hold here too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, tuple_
from sqlalchemy.orm import Session, aliased

from archive.decide import next_fetch
from archive.models import AddressRow, CaptureRow
from archive.reading import Reading
from archive.text import storable
from archive.twins import keys_of, settle_twin
from archive.vocabulary import Outcome
from archive.work_list import BY_KEY, NO_ANSWER, NOT_DRAWN


def settle_addresses(
    session: Session, readings: Sequence[tuple[int, Reading]], accounts: Mapping[str, int], now: datetime
) -> dict[str, str]:
    """Note what addresses came to; the best URL of each, and of each post read, by key."""
    latest = _latest(session, dict(readings))
    rows = _locked_addresses(session, latest, keys_of([reading for _, reading in readings]))
    for row in rows:
        if row.id not in latest:
            settle_twin(row)
            continue
        reading, is_drawn, was_read, is_last = latest[row.id]
        if not was_read:
            _settle(row, reading, is_drawn, now)
        elif is_last:
            _settle_anew(row, reading, is_drawn, now)
        if reading.record and reading.biz:
            row.account_id, row.aid = accounts[reading.biz], reading.record.aid
    session.flush()
    return {row.key: row.url for row in rows}


def _latest(session: Session, readings: Mapping[int, Reading]) -> dict[int, tuple[Reading, bool, bool, bool]]:
    """The last reading of each address; whether its page was drawn, read before, and is the last there is."""
    later, when = aliased(CaptureRow), tuple_(CaptureRow.fetched_at, CaptureRow.id)
    none_later = ~exists().where(
        later.address_id == CaptureRow.address_id, tuple_(later.fetched_at, later.id) > when
    )
    facts = CaptureRow.rendered, CaptureRow.outcome.is_not(None), none_later
    captures = select(CaptureRow.id, CaptureRow.address_id, *facts).where(CaptureRow.id.in_(readings))
    found = session.execute(captures.order_by(CaptureRow.id))
    return {
        address_id: (readings[number], is_drawn, was_read, is_last)
        for number, address_id, is_drawn, was_read, is_last in found
        if address_id
    }


def _settle(row: AddressRow, reading: Reading, is_drawn: bool, now: datetime) -> None:
    """Note an answer. A post that only a browser has whole is asked again until one has drawn it."""
    lacks = reading.outcome is Outcome.ARTICLE and reading.needs_browser and not is_drawn
    is_final = reading.outcome.is_final and not lacks
    row.attempts = 0 if is_final else row.attempts + 1
    row.last_outcome = NOT_DRAWN if lacks else reading.outcome
    row.last_reason = storable(reading.reason)
    row.last_tried_at = now
    row.next_fetch_at = next_fetch(None if lacks else reading.outcome, row.attempts, now)


def _settle_anew(row: AddressRow, reading: Reading, is_drawn: bool, now: datetime) -> None:
    """Note another outcome of the last answer; nothing was asked."""
    tried_at, before = row.last_tried_at, row.last_outcome
    if before in (reading.outcome, NO_ANSWER) or (before == NOT_DRAWN and reading.needs_browser):
        return
    _settle(row, reading, is_drawn, now)
    row.last_tried_at = tried_at


def record_failures(
    session: Session, run_id: int | None, failures: Sequence[tuple[int, str]], now: datetime
) -> None:
    """Note that addresses gave no answer at all, and why; they are asked again later."""
    reasons = dict(failures)
    for row in _locked_addresses(session, reasons):
        row.attempts += 1
        row.last_outcome, row.last_reason = NO_ANSWER, storable(reasons[row.id])
        row.last_tried_at = now
        row.next_fetch_at = next_fetch(None, row.attempts, now)
    session.flush()


def _locked_addresses(
    session: Session, ids: Mapping[int, Any], keys: Mapping[str, Any] | None = None
) -> Sequence[AddressRow]:
    wanted = AddressRow.id.in_(ids) | AddressRow.key.in_(keys or ())
    rows = select(AddressRow).where(wanted).order_by(BY_KEY)
    return session.scalars(rows.with_for_update()).all()
