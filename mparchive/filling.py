"""`mparchive audit --fill`: ask for what is lacking, politely, bounded, resumable."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive import store
from archive.address import parse_address
from archive.database import transaction
from archive.errors import AddressError
from archive.gaps import Gap, GapKind
from archive.locks import going_on
from archive.sighting import Sighting
from crawler.discovery.account import MAX_SOURCES, AccountConfig
from crawler.discovery.source import State
from mparchive.console import say
from mparchive.discovering import try_sources
from mparchive.exits import CommandError, Exit
from mparchive.fetching import fetch_due, fetch_missing_media
from mparchive.line import Line
from mparchive.tally import Tally

MOST_FILLED = 1000  # posts asked for at a time: under two hours at 6 s each; the same command goes on
BATCH = 500  # rows a statement
_BY_LOOKING = (GapKind.HOLE, GapKind.DIGEST, GapKind.SILENT)
_PAGES_STAY = (GapKind.NO_IMAGES,)  # their posts are archived; only their images are asked for


@dataclass(frozen=True)
class Filling:
    """What bounds it, and where what came of it is counted. `limit`: at most so many of each kind."""

    engine: Engine
    configured: Mapping[str, AccountConfig]
    limit: int | None
    tally: Tally

    def fill(self, gaps: Sequence[Gap], again: Callable[[], Sequence[Gap]]) -> Exit:
        """Ask the sources for posts of no known address, then fetch what has one; the worst that came of it.

        `again` finds the gaps anew: what a source lists becomes something to fetch.
        """
        if not any(gap.fillable for gap in gaps):
            return Exit.DONE
        if Line(self.engine, {}).is_held():
            return Exit.VERIFICATION
        looking = _accounts(gaps, self.configured)
        looked = self._look(looking)
        if looked is Exit.VERIFICATION:
            return looked
        wanted = _chosen(again() if looking else gaps, self.limit)
        return (self._fetch(wanted) if wanted else Exit.DONE) or looked

    def _look(self, accounts: Iterable[AccountConfig]) -> Exit:
        """Have the sources of accounts list all they have; a challenge ends it."""
        code = Exit.DONE
        for account in accounts:
            states = _asked(self.engine, account)
            if State.VERIFICATION in states:
                return Exit.VERIFICATION
            if not all(state.good for state in states):
                code = Exit.PARTLY_FAILED
        return code

    def _fetch(self, wanted: Sequence[Gap]) -> Exit:
        now = datetime.now(UTC)
        with transaction(self.engine) as session:
            run_id = store.start_run(session, "audit", {"fill": len(wanted)}, now)
            pages = _assigned(session, run_id, [gap for gap in wanted if gap.kind not in _PAGES_STAY], now)
            _assigned(session, run_id, [gap for gap in wanted if gap.kind in _PAGES_STAY], now)
            due = store.make_due(session, pages, now, again=True)
        line = Line(self.engine, {})
        with going_on(self.engine, run_id):
            # the crawl of pages is also who reads what was kept and not read
            code = fetch_due(line, run_id, len(due), self.tally)
            if code not in (Exit.DATABASE, Exit.USAGE, Exit.VERIFICATION):
                code = fetch_missing_media(line, run_id, self.tally) or code
        return code


def _asked(engine: Engine, account: AccountConfig) -> list[State]:
    """Try the sources of an account; what is not good is said."""
    try:
        sources = try_sources(engine, account, (), whole=True).sources
    except CommandError as error:
        if error.code is Exit.DATABASE:
            raise
        say(f"{account.name}: {error}")
        return [State.UNREACHABLE]
    for one in sources:
        if not one.good:
            words = ": ".join(filter(None, (one.source, one.state, one.detail, one.advice)))
            say(f"{account.name}: {words}")
    return [State(one.state) for one in sources]


def _accounts(gaps: Iterable[Gap], configured: Mapping[str, AccountConfig]) -> list[AccountConfig]:
    """The accounts to look for posts of, with the albums that are to be listed.

    One that is not configured has the albums its posts are in: anybody may list those.
    """
    albums: dict[tuple[str, str], list[str]] = {}
    for gap in gaps:
        if gap.fillable and (gap.album or gap.kind in _BY_LOOKING):
            albums.setdefault((gap.biz, gap.account), []).extend([gap.album] if gap.album else [])
    found = []
    for (biz, name), more in albums.items():
        known = configured.get(biz) or _unconfigured(biz, name)
        if known:
            listed = tuple(dict.fromkeys((*known.albums, *more)))[:MAX_SOURCES]
            found.append(known.model_copy(update={"albums": listed}))
    return found


def _unconfigured(biz: str, name: str) -> AccountConfig | None:
    try:
        return AccountConfig(biz=biz, name=name, follow_albums=True)
    except ValidationError:
        say(f"{biz[:80]} is no __biz of an account; nothing is looked for there")
        return None


def _chosen(gaps: Sequence[Gap], limit: int | None) -> list[Gap]:
    """What has an address to ask or a page to read, at most `limit` of a kind and MOST_FILLED in all."""
    chosen: list[Gap] = []
    for kind in GapKind:
        of_kind = [gap for gap in gaps if gap.kind is kind and gap.fillable and _is_asked(gap)]
        chosen += of_kind[:limit]
    if len(chosen) > MOST_FILLED:
        say(f"{MOST_FILLED} of {len(chosen)} are asked for now; the same command goes on")
    return chosen[:MOST_FILLED]


def _is_asked(gap: Gap) -> bool:
    return gap.address_id is not None or bool(gap.url) or gap.kind is GapKind.UNREAD


def _assigned(session: Session, run_id: int, gaps: Sequence[Gap], now: datetime) -> list[int]:
    """The ids of the addresses of these, which the run now has; what had none gets one."""
    sightings = []
    for gap in gaps:
        with suppress(AddressError):  # a link that is no post's address was one before this version
            if gap.url:
                sightings.append(Sighting(parse_address(gap.url), "audit", now, expected_biz=gap.biz))
    noted = store.record_sightings(session, run_id, sightings, now) if sightings else []
    known = sorted({gap.address_id for gap in gaps if gap.address_id is not None})
    for start in range(0, len(known), BATCH):
        store.assign(session, run_id, known[start : start + BATCH])
    return sorted({*known, *(one.address_id for one in noted)})
