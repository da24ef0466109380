"""Decide what a response changes in the archive, and when an address or medium is fetched next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from archive.domain.backoff import exponential
from archive.domain.outcomes import MediumOutcome, Outcome

PAGE = "page"  # the source of states that a post's own page gave

REPARSE = "reparse"  # the source of states that a later parser found in an earlier page

DUMP = "dump"  # the source of states that a list of records gave

RETRY_FIRST = timedelta(minutes=10)

RETRY_LAST = timedelta(hours=24)

MAX_ATTEMPTS = 8  # in a row: 10 min to 21 h apart, two days in all

BLOCKED_FIRST = timedelta(minutes=30)

BLOCKED_LAST = timedelta(hours=6)

# Of addresses without chksm, which WeChat answers with verification: seldom asked, each ever more seldom.
BARE_A_DAY = 4  # that bring no post; each challenge keeps the egress from all others for half an hour or more

BARE_FIRST = timedelta(days=1)

BARE_LAST = timedelta(days=7)

# A media host may send a page instead of an image for a while; a week later it is not going to change.
REFUSED_WAITS = (timedelta(days=1), timedelta(days=7))


class StoreResult(StrEnum):
    """What storing a record or a parse result came to."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_A_POST = "not_a_post"
    OTHER_POST = "other_post"  # another post than the one that was asked for
    FOREIGN = "foreign"  # a post of another account than the one its address was listed for


@dataclass(frozen=True, slots=True)
class StoredPost:
    """What is stored of a post: the hash and source of its current state, and all hashes it ever had.

    `fetched_at` is when the page was fetched that is its current state, an aware UTC instant; `last_hash`
    is that of the version recorded last. `timeline` has the versions by the times of their evidence.
    """

    content_hash: str
    source: str
    history: frozenset[str]
    fetched_at: datetime | None = None
    last_hash: str = ""
    timeline: tuple[tuple[datetime, str], ...] = ()

    def hash_at(self, instant: datetime) -> str | None:
        """Return the hash of the version that stood at this UTC instant; None before the first."""
        earlier = [content_hash for at, content_hash in self.timeline if at <= instant]
        return earlier[-1] if earlier else None

    def is_newer_than(self, fetched_at: datetime | None) -> bool:
        """Tell whether the current state is of a later page than one fetched at this UTC instant."""
        return bool(self.fetched_at and fetched_at and fetched_at < self.fetched_at)


@dataclass(frozen=True, slots=True)
class Intent:
    """What to write: a version, and whether it becomes the post's current state."""

    result: StoreResult
    add_version: bool
    make_current: bool


def decide(
    known: StoredPost | None,
    content_hash: str,
    source: str,
    *,
    whole: bool = True,
    fetched_at: datetime | None = None,
) -> Intent:
    """Compare what a source says with what is stored.

    The page itself is believed over a dump: a dump that differs only adds to the history, and only once. A
    page that is not `whole` (only a browser shows its text) makes no version and replaces nothing but an
    earlier parse result of the same page while there is no version; the first whole text is the first
    version. A page fetched before the current one only adds to the history: where the version of that time
    is another, or none is known. Of several pages that a later parser reads alike, one version is enough.
    `fetched_at` is an aware UTC instant.
    """
    if known is None:
        return Intent(StoreResult.NEW, add_version=whole, make_current=True)
    if not whole:
        is_its_own = source == REPARSE and not known.history and fetched_at == known.fetched_at
        return Intent(StoreResult.UNCHANGED, add_version=False, make_current=is_its_own)
    if not known.history:
        return Intent(StoreResult.NEW, add_version=True, make_current=True)
    is_old, is_page = known.is_newer_than(fetched_at), source in (PAGE, REPARSE)
    if fetched_at and source == PAGE and (is_old or known.content_hash == content_hash):
        return _decide_by_time(known, content_hash, fetched_at, is_old=is_old)
    is_new, is_same = content_hash not in known.history, known.content_hash == content_hash and not is_old
    if is_same or is_old or (not is_page and (not is_new or known.source == PAGE)):
        add_version = is_new and not is_same
        return Intent(StoreResult.UNCHANGED, add_version=add_version, make_current=is_same and is_page)
    is_there = source == REPARSE and content_hash == known.last_hash
    return Intent(StoreResult.CHANGED, add_version=not is_there, make_current=True)


def _decide_by_time(known: StoredPost, content_hash: str, fetched_at: datetime, *, is_old: bool) -> Intent:
    """Decide on a page that is older than the current one, or has its text."""
    at_that_time = known.hash_at(fetched_at)
    is_new = at_that_time != content_hash if is_old else at_that_time is None
    return Intent(StoreResult.UNCHANGED, add_version=is_new, make_current=not is_old)


def next_fetch(
    outcome: Outcome | None, attempts: int, now: datetime, *, is_bare: bool = False
) -> datetime | None:
    """Return when to fetch an address again (UTC); None: not unless somebody asks.

    `attempts` counts those in a row without a final answer. No outcome means that no response came at all.
    """
    if outcome is not None and outcome.is_final:
        return None
    if outcome is not None and outcome.blocks:
        if is_bare:
            return now + exponential(attempts, BARE_FIRST, BARE_LAST)
        return now + challenge_backoff(attempts)
    if attempts >= MAX_ATTEMPTS:
        return None
    return now + exponential(attempts, RETRY_FIRST, RETRY_LAST)


def challenge_backoff(challenges: int) -> timedelta:
    """Return how long an egress is blocked after challenges in a row: 30 minutes, doubling to 6 hours."""
    return exponential(challenges, BLOCKED_FIRST, BLOCKED_LAST)


def next_medium_fetch(outcome: MediumOutcome, attempts: int, now: datetime) -> datetime | None:
    """Return when to download a medium again (UTC); None: not unless somebody asks.

    `attempts` counts those in a row without a file.
    """
    match outcome:
        case MediumOutcome.KEPT:
            return None
        case MediumOutcome.REFUSED:
            return now + REFUSED_WAITS[attempts - 1] if attempts <= len(REFUSED_WAITS) else None
        case MediumOutcome.FAILED:
            return next_fetch(None, attempts, now)
