"""This machine's line to the outside, which commands given by hand respect as the daemon does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.domain.records import SHANGHAI
from archive.repository import egress, runs
from archive.repository.media import due_media, make_media_due
from archive.system import clock
from crawler.browser.launch_options import REMEDY
from crawler.media.settings import MediaSettings
from mparchive.console import Steps, say, steps
from mparchive.errors import CommandError, Exit
from mparchive.run_summary import Tally
from scheduler.crawl_process import CrawlResult, crawl, page_of
from scheduler.settings import SchedulerSettings

KEPT = "what was given is kept, and the same command goes on then"

LONGEST_WAIT = 65 * 60.0  # seconds; a crawl of the daemon ends within an hour (limits.crawl_minutes)


@dataclass(frozen=True)
class Line:
    """The way out, or the cassette in its place; `settings` are Scrapy's."""

    engine: Engine
    settings: Mapping[str, str]

    @property
    def is_real(self) -> bool:
        """A replay asks nobody."""
        return self.settings.get("CASSETTE_MODE") != "replay"

    @contextmanager
    def turn(self, hosts: Hosts) -> Iterator[bool]:
        """Have the line to oneself for a crawl; False, which is then said, when another goes on too long."""
        if not self.is_real:
            yield True
            return
        name = SchedulerSettings.read().egress
        with egress_lock(self.engine, name, hosts, wait=LONGEST_WAIT, on_wait=_say_that_it_waits) as mine:
            if not mine:
                say(
                    f"another crawl has gone through this line for {LONGEST_WAIT / 60:.0f} minutes: "
                    "nothing more is asked; what was given is kept, and the same command goes on when that "
                    "one has ended"
                )
            yield mine

    def is_held(self, meanwhile: str = KEPT) -> bool:
        """Whether WeChat may be asked nothing now, which is then said, with what becomes of the command."""
        if not self.is_real:
            return False
        with transaction(self.engine) as session:
            until = egress.blocked_until(session, SchedulerSettings.read().egress, clock.now())
        if until:
            say(
                f"WeChat has asked this line for verification: nothing is fetched before "
                f"{until.astimezone(SHANGHAI):%H:%M} (Asia/Shanghai); {meanwhile}"
            )
        return until is not None

    def settle(self, verdict: str, fetched: int = 0) -> None:
        """Hold it back after a challenge, for all that fetch through it; free it after good pages."""
        if self.is_real:
            with transaction(self.engine) as session:
                name = SchedulerSettings.read().egress
                egress.record_crawl_end(session, name, verdict, fetched, clock.now())


def _say_that_it_waits() -> None:
    say("another crawl goes through this line; waiting for its end")


BASE_TIME = 600  # seconds: starting, retries of one address, a slow end

MOST_COUNTED = 100_000  # media: a week of downloads; 50 MB while they are counted

TIME_PER_ADDRESS = 60  # seconds; 6 s of pause, a slow page, a browser

_WITHOUT_BROWSER = {"browser_missing": REMEDY, "browser_failed": "the log of the crawl says why"}

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


def cassette_settings(replay: Path | None, record: Path | None) -> dict[str, str]:
    """The Scrapy settings of --replay and --record; raises CommandError when they cannot be."""
    if replay and record:
        raise CommandError("--replay and --record exclude each other; give one of them")
    if replay and not replay.is_file():
        raise CommandError(f"there is no cassette {replay}; give the file that --record wrote")
    chosen = replay or record
    if chosen is None:
        return {}
    return {"CASSETTE": str(chosen.resolve()), "CASSETTE_MODE": "replay" if replay else "record"}


def fetch_due(line: Line, run_id: int, due: int, tally: Tally) -> Exit:
    """Fetch a run's addresses, `due` of them, and end the run; counts go into `tally`.

    Raises CommandError when the crawl could not work at all.
    """
    try:
        with steps(due) as shown:
            return fetch(line, run_id, due, tally, shown)
    finally:
        with transaction(line.engine) as session:
            runs.close_run(session, run_id, "failed", datetime.now(UTC))


def fetch_missing_media(line: Line, run_id: int, tally: Tally) -> Exit:
    """Download what a run's posts show and is not kept yet, also of posts that were known."""
    now = datetime.now(UTC)
    types = MediaSettings.read().types
    with transaction(line.engine) as session:
        make_media_due(session, run_id, now)
        due = len(due_media(session, now, MOST_COUNTED, types=types, run_id=run_id))
    if not due:
        return Exit.DONE
    with steps(due) as shown:
        return fetch_media(line, run_id, due, tally, shown)


def fetch(line: Line, run_id: int, wanted: int, tally: Tally, shown: Steps) -> Exit:
    """Fetch the run's due addresses in a child process; counts go into `tally`.

    Raises CommandError when the crawl could not work at all.
    """
    with line.turn(Hosts.PAGES) as mine:
        if not mine or line.is_held():
            tally.add("not_asked", wanted)
            return Exit.VERIFICATION if mine else Exit.NOTHING_FETCHED
        result, reasons = _crawl("posts", run_id, wanted, line.settings, shown)
        line.settle(result.verdict, result.counts.get("fetched", 0))
    _count_pages(result, wanted, tally, reasons)
    return _exit(result)


def _count_pages(result: CrawlResult, wanted: int, tally: Tally, reasons: "Reasons") -> None:
    outcomes = result.counts.get("outcomes", {})
    for what, number in outcomes.items():
        if what != "article":  # those are counted by what was stored of them
            tally.add(what, number, reasons.told.get(what, ""))
    for stored in ("new", "changed", "unchanged", "known", "foreign"):
        tally.add(stored, result.counts.get("stored", {}).get(stored, 0))
    for what, remedy in _WITHOUT_BROWSER.items():
        if number := result.counts.get(what, 0):
            tally.add(what, number, remedy)
    tally.add("not_asked", max(0, wanted - sum(outcomes.values())))


def fetch_media(line: Line, run_id: int, wanted: int, tally: Tally, shown: Steps) -> Exit:
    """Download the due media of a run's posts in a child process; counts go into `tally`.

    A medium that failed never makes a post fail: the exit code is DONE, but for a database that failed.
    """
    with line.turn(Hosts.MEDIA) as mine:
        if not mine:
            tally.add("images_not_asked", wanted)
            return Exit.DONE
        result, reasons = _crawl("media", run_id, wanted, line.settings, shown)
    outcomes = result.counts.get("outcomes", {})
    for what, number in outcomes.items():
        tally.add(f"images_{what}", number, reasons.told.get(what, ""))
    missing = result.counts.get("not_recorded", 0)
    tally.add("images_not_recorded", missing)
    tally.add("images_not_asked", max(0, wanted - sum(outcomes.values()) - missing))
    if result.timed_out or result.verdict not in _EXITS:
        say(f"the crawl of images ended early ({_why(result)}); the same command goes on")
    return Exit.DATABASE if result.verdict == "database" else Exit.DONE


def _crawl(
    spider: str, run_id: int, wanted: int, settings: Mapping[str, str], shown: Steps
) -> tuple[CrawlResult, "Reasons"]:
    reasons = Reasons()

    def hear(line: str) -> None:
        page = page_of(line)
        if page:
            shown.step(reasons.take(page.facts), page.done)

    timeout = BASE_TIME + TIME_PER_ADDRESS * wanted
    return crawl(run_id, spider=spider, settings=settings, timeout=timeout, on_line=hear), reasons


class Reasons:
    """Remembers a reason for each outcome while the lines go by."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def take(self, facts: Mapping[str, str]) -> str:
        """Note the facts of a page's line; returns them as words."""
        outcome = facts.get("outcome", "failed")
        if facts.get("reason"):
            self.told.setdefault(outcome, facts["reason"])
        named = facts.get("aid") or facts.get("address", "")
        return " ".join(filter(None, (outcome, facts.get("stored", ""), named, facts.get("reason", ""))))


def _exit(result: CrawlResult) -> Exit:
    if result.timed_out:
        raise CommandError(
            "the crawl took too long and was stopped; the same command goes on", Exit.PARTLY_FAILED
        )
    if result.verdict not in _EXITS:
        wrong = Exit.USAGE if result.exit_code == Exit.USAGE else Exit.NOTHING_FETCHED  # of its settings
        raise CommandError(f"the crawl failed: {_why(result)}", wrong)
    return _EXITS[result.verdict]


def _why(result: CrawlResult) -> str:
    """The line that tells most: the last error, else the last line."""
    lines = [line for line in result.last_lines if line.strip()]
    errors = [line for line in lines if " ERROR " in line]
    return (errors or lines or ["it said nothing"])[-1]
