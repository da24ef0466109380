"""Crawls that a command runs: they share the egress with the daemon, and their results become counts."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.advisory_locks import Hosts
from archive.db.engine import transaction
from archive.db.settings import RequestSettings
from archive.domain.messages import Message
from archive.domain.outcomes import STYLE_SHEETS, MediumType
from archive.domain.records import SHANGHAI
from archive.repository import claims, frontier, runs
from archive.repository.bare_addresses import bare_status, may_ask_bare
from archive.repository.media import DueMedium, due_media, make_media_due
from archive.system import clock
from archive.system.catalogues import Language, process_language
from crawler.browser.launch_options import REMEDY
from crawler.media.settings import MediaSettings
from crawler.process.entry import PageDone, ProgressEvent, import_before_forking
from mparchive.console import Steps, printable, say, steps, table_with, translated
from mparchive.errors import CommandError, Exit
from scheduler.config import SchedulerSettings
from scheduler.crawl_process import CrawlResult
from scheduler.egress_session import EgressSession

# In the order of the table's rows; each has its words in the catalogue.
COUNTED = (
    "new",
    "known",
    "changed",
    "unchanged",
    "foreign",
    "other_post",
    "deleted",
    "violation",
    "unavailable",
    "expired_link",
    "migrated",
    "private",
    "bad_request",
    "unknown",
    "verification",
    "rate_limited",
    "failed",
    "bare_waiting",
    "by_another",
    "with_another",
    "not_asked",
    "browser_missing",
    "browser_failed",
    "images_kept",
    "images_refused",
    "images_failed",
    "images_not_asked",
    "images_not_recorded",
    "style_sheets_kept",
    "style_sheets_refused",
    "style_sheets_failed",
    "style_sheets_not_asked",
    "style_sheets_not_recorded",
    "accounts",
    "saved_unread",
    "passed_over",
    "bad_input",
)

MAX_REASON = 200  # characters of an example in the table


@dataclass
class RunSummary:
    """Counts by outcome; `reasons` has the first reason that was given for each."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Message] = field(default_factory=dict)

    def add(self, what: str, number: int = 1, reason: Message | str = "") -> None:
        """Count something. A reason may be a message, a stored message or plain text."""
        self.counts[what] += number
        message = Message.load(reason) if isinstance(reason, str) else reason
        if message.code:
            self.reasons.setdefault(what, message)

    def add_some(self, **numbers: int) -> None:
        """Count things without a reason; those of which there are none are left out."""
        self.counts.update({what: number for what, number in numbers.items() if number})

    def as_dict(self) -> dict[str, Any]:
        """Return counts and reasons as --json prints them; the reasons in English."""
        reasons = {what: str(message) for what, message in self.reasons.items()}
        return {"counts": dict(self.counts), "reasons": reasons}

    def table(self, language: Language | None = None) -> Table:
        """Return the closing table, in the language of this process unless another is given."""
        language = language or process_language()
        table = table_with("", "", "")
        table.show_header = False
        for what in COUNTED:
            if self.counts[what]:
                words = Message(f"mparchive.summary.{what}").text(language)
                reason = self.reasons[what].text(language) if what in self.reasons else ""
                table.add_row(str(self.counts[what]), words, printable(reason[:MAX_REASON]))
        return table


MAX_WAIT = 65 * 60.0  # seconds for another crawl's end; one of the daemon's ends within an hour

BASE_TIME = 600  # seconds: starting, retries of one address, a slow end

TIME_PER_ADDRESS = 60  # seconds; 6 s of pause, a slow page, a browser

MAX_MEDIA_COUNTED = 100_000  # a week of downloads; 50 MB while they are counted

_EXITS = {
    "done": Exit.DONE,
    "nothing_due": Exit.DONE,
    "partly_failed": Exit.PARTLY_FAILED,
    "stopped": Exit.PARTLY_FAILED,
    "nothing_fetched": Exit.NOTHING_FETCHED,
    "verification": Exit.VERIFICATION,
    "rate_limited": Exit.VERIFICATION,
    "database": Exit.DATABASE,
    "usage": Exit.USAGE,
}

_MEDIA_EXITS = {"database": Exit.DATABASE, "failed": Exit.PARTLY_FAILED}


def open_egress(engine: Engine, settings: Mapping[str, str] | None = None) -> EgressSession:
    """Return this machine's egress; `settings` are Scrapy's, such as a cassette. Raises SettingError."""
    import_before_forking("mparchive.cli")  # each forked process would import it anyway
    return EgressSession(engine, SchedulerSettings.read().egress, settings or {})


def cassette_settings(replay: Path | None, record: Path | None) -> dict[str, str]:
    """Return the Scrapy settings of --replay and --record. Raises CommandError when they cannot be used."""
    if replay and record:
        raise CommandError(translated("mparchive.crawl.replay_and_record"))
    if replay and not replay.is_file():
        raise CommandError(translated("mparchive.crawl.no_cassette", path=replay))
    chosen = replay or record
    if chosen is None:
        return {}
    return {"CASSETTE": str(chosen.resolve()), "CASSETTE_MODE": "replay" if replay else "record"}


@contextmanager
def wait_for_turn(egress: EgressSession, hosts: Hosts) -> Iterator[bool]:
    """Hold the egress for a crawl, after another one's end; yields False, and says so, after MAX_WAIT."""

    def on_wait() -> None:
        say(translated("mparchive.crawl.waiting"))

    with egress.turn(hosts, wait=MAX_WAIT, on_wait=on_wait) as mine:
        if not mine:
            say(translated("mparchive.crawl.egress_in_use", n=round(MAX_WAIT / 60)))
        yield mine


def is_blocked(egress: EgressSession, consequence: str = "mparchive.crawl.input_is_stored") -> bool:
    """Return whether WeChat may be asked nothing now; says until when, and the consequence (a code)."""
    until = egress.blocked_until()
    if until:
        moment = f"{until.astimezone(SHANGHAI):%H:%M}"
        say(translated("mparchive.crawl.egress_blocked", until=moment, consequence=Message(consequence)))
    return until is not None


def fetch_due(egress: EgressSession, run_id: int, due: Sequence[int], summary: RunSummary) -> Exit:
    """Fetch a run's addresses, by their ids, and close the run; counts go into `summary`.

    Raises CommandError when the crawl could not work at all.
    """
    try:
        with steps(len(due)) as progress:
            return fetch_pages(egress, run_id, due, summary, progress)
    finally:
        with transaction(egress.engine) as session:
            runs.close_run(session, run_id, "failed", clock.now())


def fetch_missing_media(egress: EgressSession, run_id: int, summary: RunSummary) -> Exit:
    """Download what a run's posts show and is not stored yet, also of posts that were known."""
    now = clock.now()
    types = MediaSettings.read().types
    with transaction(egress.engine) as session:
        make_media_due(session, run_id, now)
        due = due_media(session, now, MAX_MEDIA_COUNTED, types=types, run_id=run_id)
    if not due:
        return Exit.DONE
    with steps(len(due)) as progress:
        return fetch_media(egress, run_id, due, summary, progress)


def fetch_pages(
    egress: EgressSession, run_id: int, due: Sequence[int], summary: RunSummary, progress: Steps
) -> Exit:
    """Fetch the run's due addresses in a crawl process; counts go into `summary`.

    Those that another process has fetched meanwhile, or is fetching, are counted as such. Raises CommandError
    when the crawl could not work at all.
    """
    with wait_for_turn(egress, Hosts.PAGES) as mine:
        if not mine:
            _count_left(egress, run_id, due, summary)
            return Exit.NOTHING_FETCHED
        _mark_as_fetching(egress, run_id)
        with transaction(egress.engine) as session:
            taken = frontier.take_over(session, run_id, due, clock.now())
            has_work = not due or _may_ask_some(session, run_id, taken)
        if not has_work:
            _count_left(egress, run_id, due, summary)
            return Exit.DONE
        if is_blocked(egress):
            _count_left(egress, run_id, due, summary)
            return Exit.VERIFICATION
        result, reasons = _crawl(egress, "posts", run_id, len(taken), progress)
        egress.record_outcome(result.verdict, result.counts.get("fetched", 0))
    _count_pages(result, reasons, summary)
    _count_unasked(egress, run_id, taken, result, summary)
    _count_left(egress, run_id, sorted(set(due) - set(taken)), summary)
    return _exit_code(result)


def _may_ask_some(session: Session, run_id: int, taken: Sequence[int]) -> bool:
    """Tell whether any of these addresses may be asked now: of bare ones none may most of the time."""
    now = clock.now()
    if set(taken) - claims.fetch_progress(session, run_id, taken, now).bare:
        return True
    return bool(taken) and may_ask_bare(session, RequestSettings.read().bare_a_day, now)


def _count_unasked(
    egress: EgressSession, run_id: int, taken: Sequence[int], result: CrawlResult, summary: RunSummary
) -> None:
    """Count addresses that the crawl had but did not ask."""
    unasked = max(0, len(taken) - sum(result.counts.get("outcomes", {}).values()))
    with transaction(egress.engine) as session:
        found = claims.fetch_progress(session, run_id, taken, clock.now())
    bare = min(unasked, len(found.bare & found.due))
    count_bare(egress.engine, bare, summary)
    summary.add_some(not_asked=unasked - bare)


def count_bare(engine: Engine, number: int, summary: RunSummary) -> None:
    """Count addresses without chksm that wait for their turn, with the time of the next request."""
    if not number:
        return
    bare_a_day, now = RequestSettings.read().bare_a_day, clock.now()
    with transaction(engine) as session:
        next_at = bare_status(session, bare_a_day, now).next_at
    reason = Message("mparchive.crawl.bare_off")
    if next_at is not None:
        reason = Message("mparchive.crawl.bare_next", {"n": bare_a_day, "when": next_at})
    summary.add("bare_waiting", number, reason)


def _mark_as_fetching(egress: EgressSession, run_id: int) -> None:
    """Record, before addresses are claimed, that the run has its egress: no other takes them from it now."""
    if egress.sends_requests:
        with transaction(egress.engine) as session:
            runs.record_egress(session, run_id, egress.name, egress.now())


def _count_left(egress: EgressSession, run_id: int, left: Sequence[int], summary: RunSummary) -> None:
    """Count addresses that this process has not asked, by what became of them."""
    with transaction(egress.engine) as session:
        found = claims.fetch_progress(session, run_id, left, clock.now())
    waiting = set(left) - found.answered - found.claimed
    summary.add_some(by_another=len(found.answered), with_another=len(found.claimed))
    summary.add_some(not_asked=len(waiting - found.bare))
    count_bare(egress.engine, len(waiting & found.bare), summary)


def exit_by_state(engine: Engine, run_id: int, addresses: Sequence[int]) -> Exit:
    """Return how the work ended, whichever process did it: by whether every address has a final answer."""
    with transaction(engine) as session:
        found = claims.fetch_progress(session, run_id, addresses, clock.now())
    if len(found.answered) == len(addresses):
        return Exit.DONE
    if found.challenged:
        return Exit.VERIFICATION
    return Exit.PARTLY_FAILED if found.answered else Exit.NOTHING_FETCHED


def fetch_media(
    egress: EgressSession, run_id: int, due: Sequence[DueMedium], summary: RunSummary, progress: Steps
) -> Exit:
    """Download these media of a run in a crawl process; counts go into `summary`.

    A medium that failed never makes a post fail: the exit code is DONE, unless the crawl itself failed.
    """
    with wait_for_turn(egress, Hosts.MEDIA) as mine:
        if not mine:
            _count_media({}, {}, due, summary)
            return Exit.DONE
        result, reasons = _crawl(egress, "media", run_id, len(due), progress)
    _count_media(result.counts, reasons, due, summary)
    if result.timed_out or result.verdict not in _EXITS:
        say(translated("mparchive.crawl.media_ended_early", reason=result.error))
    return _MEDIA_EXITS.get(result.verdict, Exit.DONE)


def _count_media(
    counts: Mapping[str, Any], reasons: Mapping[str, str], due: Sequence[DueMedium], summary: RunSummary
) -> None:
    """Count what became of media; style sheets apart, for they are no pictures."""
    stored, outcomes = counts.get("stored", {}), Counter(counts.get("outcomes", {}))
    sheets = Counter({outcome: stored.get(f"{STYLE_SHEETS}_{outcome}", 0) for outcome in outcomes})
    of_sheets = sum(medium.type == MediumType.STYLE for medium in due)
    for name, ended, wanted, missing in (
        ("images", outcomes - sheets, len(due) - of_sheets, counts.get("not_recorded", 0)),
        (STYLE_SHEETS, +sheets, of_sheets, counts.get(f"{STYLE_SHEETS}_not_recorded", 0)),
    ):
        for outcome, number in ended.items():
            prefix = f"{STYLE_SHEETS}_" if name == STYLE_SHEETS else ""
            summary.add(f"{name}_{outcome}", number, reasons.get(f"{prefix}{outcome}", ""))
        left = max(0, wanted - ended.total() - missing)
        summary.add_some(**{f"{name}_not_recorded": missing, f"{name}_not_asked": left})


def _count_pages(result: CrawlResult, reasons: Mapping[str, str], summary: RunSummary) -> None:
    stored = Counter(result.counts.get("stored", {}))
    outcomes = Counter(result.counts.get("outcomes", {}))
    outcomes["unknown"] -= stored["other_post"]
    for outcome, number in (+outcomes).items():
        if outcome != "article":  # those are counted by what was stored of them
            summary.add(outcome, number, reasons.get(outcome, ""))
    for what in ("new", "changed", "unchanged", "known", "foreign"):
        summary.add(what, stored[what])
    if stored["other_post"]:
        summary.add("other_post", stored["other_post"], reasons.get("other_post", ""))
    if number := result.counts.get("browser_missing", 0):
        summary.add("browser_missing", number, REMEDY)
    if number := result.counts.get("browser_failed", 0):
        summary.add("browser_failed", number, Message("mparchive.crawl.see_log"))


def _crawl(
    egress: EgressSession, spider: str, run_id: int, wanted: int, progress: Steps
) -> tuple[CrawlResult, Mapping[str, str]]:
    """Run a crawl and show its progress; returns its result and the first reason for each outcome."""
    reasons: dict[str, str] = {}
    timeout = BASE_TIME + TIME_PER_ADDRESS * wanted
    on_event = _progress_shower(progress, reasons)
    return egress.crawl(run_id, spider=spider, timeout=timeout, on_event=on_event), reasons


def _progress_shower(progress: Steps, reasons: dict[str, str]) -> Callable[[ProgressEvent], None]:
    def show(event: ProgressEvent) -> None:
        if not isinstance(event, PageDone):
            return
        outcome = event.outcome or "failed"
        if event.reason:
            apart = {"other_post": "other_post", STYLE_SHEETS: f"{STYLE_SHEETS}_{outcome}"}
            reasons.setdefault(apart.get(event.stored, outcome), event.reason)
        reason = Message.load(event.reason).text(process_language()) if event.reason else ""
        words = (outcome, event.stored, event.aid or event.address, reason)
        progress.step(" ".join(filter(None, words)), event.done)

    return show


def _exit_code(result: CrawlResult) -> Exit:
    if result.timed_out:
        raise CommandError(translated("mparchive.crawl.timed_out"), Exit.PARTLY_FAILED)
    if result.verdict not in _EXITS:
        code = Exit.USAGE if result.exit_code == Exit.USAGE else Exit.NOTHING_FETCHED  # wrong settings
        raise CommandError(translated("mparchive.crawl.failed", reason=result.error), code)
    return _EXITS[result.verdict]
