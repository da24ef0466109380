"""Every write to the archive. Each function takes a session and leaves the commit to its caller.

Rows are locked in one order everywhere, so that processes cannot wait for each other in a ring: accounts by
biz, addresses by key, then sightings, captures, posts by account and aid, versions, media by key, files,
post_media, post_links. Text is compared as Python compares it (COLLATE "C"), not as the database's language
would.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive import blobs
from archive.address import parse_address
from archive.capture import Capture
from archive.decide import PAGE, Stored, next_fetch
from archive.expected import without_strangers
from archive.links import put_links
from archive.media.store import tie_media
from archive.models import Account, AddressRow, CaptureRow, Run, SightingRow
from archive.posts import CurrentPage, PostState, put_posts
from archive.reading import Reading
from archive.record import Record
from archive.sighting import Sighted, Sighting
from archive.text import storable, storable_json
from archive.twins import archived, give_chksm, keys_of, settle_twin, with_chksm
from archive.vocabulary import Outcome

NO_ANSWER = "no_answer"
_PENDING = [*(outcome for outcome in Outcome if not outcome.is_final), NO_ANSWER]
BATCH = 500  # rows a statement; a dump's record has 5 kB
_BY_KEY = AddressRow.key.collate("C")

__all__ = [
    "Sighted",
    "Sighting",
    "Stored",
    "account_id",
    "assign",
    "close_run",
    "finish_run",
    "import_records",
    "keep_captures",
    "make_due",
    "record_failures",
    "record_sightings",
    "start_run",
    "store_readings",
]


def start_run(session: Session, command: str, arguments: Mapping[str, Any], now: datetime) -> int:
    """Note that a piece of work begins; returns its id."""
    row = insert(Run).values(command=command, arguments=storable_json(dict(arguments)), started_at=now)
    return session.execute(row.returning(Run.id)).scalar_one()


def finish_run(session: Session, run_id: int, verdict: str, counts: Mapping[str, Any], now: datetime) -> None:
    """Note how it ended."""
    values = {"verdict": verdict, "counts": dict(counts), "finished_at": now}
    session.execute(update(Run).where(Run.id == run_id).values(values))


def close_run(session: Session, run_id: int, verdict: str, now: datetime) -> None:
    """Note the end of a run whose own process could not: killed, refused, out of time."""
    left_open = update(Run).where(Run.id == run_id, Run.finished_at.is_(None))
    session.execute(left_open.values(verdict=verdict, finished_at=now))


def record_sightings(
    session: Session, run_id: int | None, sightings: Sequence[Sighting], now: datetime
) -> list[Sighted]:
    """Note where addresses were seen; new ones are due at once, unless their post is archived already.

    One answer for each sighting, in order.
    """
    sighted = _note_sightings(session, run_id, sightings, now)
    give_chksm(session, [sighting.address for sighting in sightings])
    return sighted


def _note_sightings(
    session: Session, run_id: int | None, sightings: Sequence[Sighting], now: datetime
) -> list[Sighted]:
    accounts = _put_accounts(session, {s.address.biz: "" for s in sightings if s.address.biz})
    rows: dict[str, Sighting] = {}
    for sighting in sightings:  # of several for one post, the one with chksm gives the address to fetch
        best = rows.get(sighting.address.key)
        if best is None or (sighting.address.chksm and not best.address.chksm):
            rows[sighting.address.key] = sighting
    known = _put_addresses(session, [rows[key] for key in sorted(rows)], accounts, now)
    _expect_nobody(session, sorted(s.address.key for s in sightings if not s.expected_biz))
    _put_sightings(session, run_id, sightings, {key: sighted.address_id for key, sighted in known.items()})
    return [known[sighting.address.key] for sighting in sightings]


def _put_accounts(session: Session, names: Mapping[str, str]) -> dict[str, int]:
    """Accounts by biz; a name that is told replaces the one known."""
    if not names:
        return {}
    row = postgresql.insert(Account)
    row = row.on_conflict_do_nothing(constraint="uq__accounts__biz")
    session.execute(row, [{"biz": biz, "name": storable(names[biz])} for biz in sorted(names)])
    told = [{"b_biz": biz, "b_name": storable(name)} for biz, name in sorted(names.items()) if name]
    found = session.execute(select(Account.biz, Account.id, Account.name).where(Account.biz.in_(names)))
    accounts = {biz: (number, name) for biz, number, name in found}
    for renamed in told:
        if accounts[renamed["b_biz"]][1] != renamed["b_name"]:
            session.execute(
                update(Account).where(Account.biz == renamed["b_biz"]).values(name=renamed["b_name"])
            )
    return {biz: number for biz, (number, _) in accounts.items()}


def account_id(session: Session, biz: str) -> int:
    """The id of an account, which is noted when it is new."""
    return _put_accounts(session, {biz: ""})[biz]


def _put_addresses(
    session: Session, sightings: Sequence[Sighting], accounts: Mapping[str, int], now: datetime
) -> dict[str, Sighted]:
    keys = [sighting.address.key for sighting in sightings]
    old: set[str] = set()
    for start in range(0, len(keys), BATCH):
        old.update(
            session.scalars(select(AddressRow.key).where(AddressRow.key.in_(keys[start : start + BATCH])))
        )
    there = archived(session, [sighting.address for sighting in sightings])
    values = [
        {
            "key": sighting.address.key,
            "url": storable(sighting.address.url),
            "account_id": accounts.get(sighting.address.biz),
            "aid": sighting.address.aid,
            "expected_biz": sighting.expected_biz or None,
            "next_fetch_at": None if sighting.address.key in there else now,
            "last_outcome": Outcome.ARTICLE if sighting.address.key in there else None,
        }
        for sighting in sightings
    ]
    row = postgresql.insert(AddressRow)
    row = row.on_conflict_do_update(
        constraint="uq__addresses__key",
        set_={"url": row.excluded.url},
        where=row.excluded.url.contains("chksm=") & ~AddressRow.url.contains("chksm="),
    )
    if values:
        session.execute(row, values)
    found: dict[str, Sighted] = {}
    for start in range(0, len(keys), BATCH):
        wanted = AddressRow.key.in_(keys[start : start + BATCH])
        for number, key in session.execute(select(AddressRow.id, AddressRow.key).where(wanted)):
            found[key] = Sighted(number, key, key not in old)
    return found


def _expect_nobody(session: Session, keys: Sequence[str]) -> None:
    """What somebody gave by hand is wanted whoever it is of."""
    for start in range(0, len(keys), BATCH):
        rows = select(AddressRow.id).where(AddressRow.key.in_(keys[start : start + BATCH]))
        rows = rows.where(AddressRow.expected_biz.is_not(None))
        locked = session.scalars(rows.order_by(_BY_KEY).with_for_update()).all()
        session.execute(update(AddressRow).where(AddressRow.id.in_(locked)).values(expected_biz=None))


def _put_sightings(
    session: Session, run_id: int | None, sightings: Sequence[Sighting], ids: Mapping[str, int]
) -> None:
    values = {
        (ids[s.address.key], s.source, s.address.url): {
            "address_id": ids[s.address.key],
            "run_id": run_id,
            "source": s.source,
            "url": storable(s.address.url),
            "title": storable(s.title),
            "listing": storable_json(s.listing),
            "first_seen_at": s.seen_at,
            "last_seen_at": s.seen_at,
        }
        for s in sightings
    }
    row = postgresql.insert(SightingRow)
    row = row.on_conflict_do_update(
        constraint="uq__sightings__address_id_source_url",
        set_={"last_seen_at": row.excluded.last_seen_at, "run_id": row.excluded.run_id},
    )
    if values:
        session.execute(row, [values[key] for key in sorted(values)])


def make_due(session: Session, address_ids: Sequence[int], now: datetime, again: bool = False) -> list[int]:
    """Ask now for addresses that never gave a final answer, or with `again` for all; their ids."""
    made: list[int] = []
    for start in range(0, len(address_ids), BATCH):
        rows = select(AddressRow.id).where(AddressRow.id.in_(address_ids[start : start + BATCH]))
        if not again:
            unanswered = AddressRow.last_outcome.is_(None) | AddressRow.last_outcome.in_(_PENDING)
            rows = rows.where(
                unanswered | (AddressRow.next_fetch_at <= now)
            )  # the rest of an interrupted run
        locked = session.scalars(rows.order_by(_BY_KEY).with_for_update()).all()
        session.execute(
            update(AddressRow).where(AddressRow.id.in_(locked)).values(next_fetch_at=now, attempts=0)
        )
        made.extend(locked)
    return made


def assign(session: Session, run_id: int, address_ids: Sequence[int]) -> None:
    """Give addresses to a run: it is now the last one that sees them."""
    rows = select(SightingRow.id).where(SightingRow.address_id.in_(address_ids))
    in_order = SightingRow.address_id, SightingRow.source.collate("C"), SightingRow.url.collate("C")
    locked = session.scalars(rows.order_by(*in_order).with_for_update()).all()
    session.execute(update(SightingRow).where(SightingRow.id.in_(locked)).values(run_id=run_id))


def import_records(
    session: Session, run_id: int | None, records: Sequence[Record], source: str, now: datetime
) -> list[Stored]:
    """Take over records of a dump: posts, versions, sightings and addresses. One answer each, in order.

    Raises AddressError when a record's address is not one of a post.
    """
    addresses = [parse_address(record.url) for record in records]
    accounts = _put_accounts(session, {a.biz: r.account for a, r in zip(addresses, records, strict=True)})
    sightings = [Sighting(a, source, now, title=r.title) for a, r in zip(addresses, records, strict=True)]
    _note_sightings(session, run_id, sightings, now)
    states = [
        PostState(accounts[address.biz], record, source)
        for address, record in zip(addresses, records, strict=True)
    ]
    puts = put_posts(session, run_id, states, now)
    give_chksm(session, addresses)  # locks no post that is not locked by now
    return [put.result for put in puts]


def keep_captures(
    session: Session, run_id: int | None, captures: Sequence[tuple[int | None, Capture]]
) -> list[int]:
    """Keep answers as they came, before anybody reads them; their ids, in order."""
    if not captures:
        return []
    values = [
        {
            "address_id": address_id,
            "run_id": run_id,
            "requested_url": storable(capture.requested_url),
            "final_url": storable(capture.final_url),
            "status": capture.status,
            "headers": storable_json([list(pair) for pair in capture.headers]),
            **blobs.packed(capture),
            "body_size": len(capture.body),
            "sha256": capture.sha256,
            "fetched_at": capture.fetched_at,
            "rendered": capture.rendered,
            "evaluated": storable_json(capture.evaluated),
        }
        for address_id, capture in captures
    ]
    row = insert(CaptureRow).returning(CaptureRow.id, sort_by_parameter_order=True)
    return list(session.scalars(row, values))


def store_readings(
    session: Session,
    run_id: int | None,
    readings: Sequence[tuple[int, Reading]],
    now: datetime,
    parser_version: int | None = None,
) -> list[Stored]:
    """Store what captures were read as: outcome, address state, post, version, media and links.

    One answer each, in order.
    """
    told, readings = readings, without_strangers(session, readings)
    names = {r.biz: r.record.account for _, r in readings if r.biz and r.record}
    accounts = _put_accounts(session, names)
    urls = _settle_addresses(session, readings, accounts, now)
    readings = [(capture_id, with_chksm(reading, urls)) for capture_id, reading in readings]
    _note_outcomes(session, readings, parser_version)
    posts = {
        place: PostState(accounts[r.biz], r.record, PAGE, capture_id, r, parser_version)
        for place, (capture_id, r) in enumerate(readings)
        if r.outcome is Outcome.ARTICLE and r.record and r.biz
    }
    stored = _put_pages(session, run_id, readings, posts, now)
    return [
        stored.get(place) or (Stored.FOREIGN if before.record and not reading.record else Stored.NOT_A_POST)
        for place, ((_, before), (_, reading)) in enumerate(zip(told, readings, strict=True))
    ]


def _note_outcomes(
    session: Session, readings: Sequence[tuple[int, Reading]], parser_version: int | None
) -> None:
    for capture_id, reading in readings:
        values = {
            "outcome": reading.outcome,
            "reason": storable(reading.reason),
            "parser_version": parser_version,
        }
        session.execute(update(CaptureRow).where(CaptureRow.id == capture_id).values(values))


def _put_pages(
    session: Session,
    run_id: int | None,
    readings: Sequence[tuple[int, Reading]],
    posts: Mapping[int, PostState],
    now: datetime,
) -> dict[int, Stored]:
    """Put the posts among readings, with what they show and lead to; what became of each, by its place."""
    puts = dict(zip(posts, put_posts(session, run_id, list(posts.values()), now), strict=True))
    pages = [CurrentPage(put.post_id, *readings[place]) for place, put in puts.items() if put.is_current]
    tie_media(session, pages, now)
    put_links(session, pages)
    return {place: put.result for place, put in puts.items()}


def _settle_addresses(
    session: Session, readings: Sequence[tuple[int, Reading]], accounts: Mapping[str, int], now: datetime
) -> dict[str, str]:
    """Note what addresses came to; the best URL of each, and of each post read, by key."""
    by_capture = dict(readings)
    captures = select(CaptureRow.id, CaptureRow.address_id).where(CaptureRow.id.in_(by_capture))
    found = session.execute(captures.order_by(CaptureRow.id)).all()
    latest = {address_id: by_capture[capture_id] for capture_id, address_id in found if address_id}
    rows = _locked_addresses(session, latest, keys_of([reading for _, reading in readings]))
    for row in rows:
        if row.id not in latest:
            settle_twin(row)
            continue
        reading = latest[row.id]
        row.attempts = 0 if reading.outcome.is_final else row.attempts + 1
        row.last_outcome, row.last_reason = reading.outcome, storable(reading.reason)
        row.last_tried_at = now
        row.next_fetch_at = next_fetch(reading.outcome, row.attempts, now)
        if reading.record and reading.biz:
            row.account_id, row.aid = accounts[reading.biz], reading.record.aid
    session.flush()
    return {row.key: row.url for row in rows}


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
    rows = select(AddressRow).where(wanted).order_by(_BY_KEY)
    return session.scalars(rows.with_for_update()).all()
