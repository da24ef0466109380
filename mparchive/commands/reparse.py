"""`mparchive reparse`: read stored pages again with today's parser, and write what it reads better."""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.errors import in_words
from archive.domain.parsed_page import ParsedPage, unreadable
from archive.ingest.faults import is_of_content
from archive.ingest.reparse import (
    ReparsedCapture,
    ReparseResult,
    apply_parse_results,
    compare_parse_results,
)
from archive.repository import absences, runs
from archive.repository.incidents import note_captures
from archive.repository.parse_results import ReparseSelection, captures_to_reparse
from crawler.parse import PARSER_VERSION
from crawler.worker.pool import Read, Rereader
from mparchive.console import Steps, facts_table, out, print_json, say, steps
from mparchive.errors import CommandError, Exit

MOST_PROCESSES = 8  # each takes 200 MB, and one that writes keeps up with no more

MOST_LISTED = 100_000  # changes in the JSON: 30 MB; beyond them only the counts go on

_UNREAD = "unread"

_WORDS: dict[str, str] = {
    ReparseResult.SAME: "unchanged",
    ReparseResult.FACTS: "other facts, the same text",
    ReparseResult.TEXT: "another text",
    ReparseResult.EARLIER_TEXT: "another text of an earlier page",
    ReparseResult.NEW: "new post",
    ReparseResult.OUTCOME: "another outcome",
    ReparseResult.LOST: "would be lost, left as it is",
    _UNREAD: "could not be read",
}


@dataclass
class _Report:
    """What became of the pages; `unread` says of those that could not be read why."""

    as_json: bool
    applied: bool
    counts: Counter[str] = field(default_factory=Counter)
    changes: list[dict[str, Any]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    is_damaged: bool = False

    def add(self, one: ReparsedCapture) -> None:
        """Count one page, and tell of it unless it stays as it was."""
        self.counts[one.finding] += 1
        if one.finding is ReparseResult.SAME:
            return
        if not self.as_json:
            out.print(_line(one), markup=False)
        elif len(self.changes) < MOST_LISTED:
            self.changes.append(asdict(one))

    def damage(self, reason: str) -> None:
        """Count a page that is not what was stored."""
        self.is_damaged = True
        self.fail(reason)

    def fail(self, reason: str) -> None:
        """Count a page that could not be read or stored."""
        self.counts[_UNREAD] += 1
        self.unread.append(reason)
        say(reason)

    def end(self) -> Exit:
        """Print the counts; the exit code that tells them."""
        changed = sum(self.counts[finding] for finding in ReparseResult) - self.counts[ReparseResult.SAME]
        if self.as_json:
            told = {"parser_version": PARSER_VERSION, "applied": self.applied, "counts": dict(self.counts)}
            print_json({**told, "changes": self.changes, "unread": self.unread})
        else:
            out.print(facts_table({_WORDS[what]: str(number) for what, number in self.counts.items()}))
        if changed and not self.applied:
            say("nothing was written; the same command with --apply writes it")
        return self._code()

    def _code(self) -> Exit:
        if self.is_damaged:
            return Exit.INTEGRITY
        return Exit.PARTLY_FAILED if self.unread or self.counts[ReparseResult.LOST] else Exit.DONE


def reparse(chosen: ReparseSelection, *, apply: bool, as_json: bool) -> Exit:
    """Read the chosen captures again and tell what changes; with `apply` write it."""
    with open_archive() as engine:
        with transaction(engine) as session:
            ids = captures_to_reparse(session, chosen, PARSER_VERSION)
        if not ids:
            _nothing_to_read(engine, chosen)
        report = _Report(as_json, apply)
        run_id = _open_run(engine, chosen) if apply else 0
        with steps(len(ids)) as shown:
            asyncio.run(_read_all(engine, ids, run_id, report, shown))
        if apply:
            _close_run(engine, run_id, chosen, report)
    return report.end()


def _nothing_to_read(engine: Engine, chosen: ReparseSelection) -> None:
    with transaction(engine) as session:
        if chosen != ReparseSelection() and not captures_to_reparse(
            session, replace(chosen, whole=True), PARSER_VERSION
        ):
            raise CommandError("no page is kept of such posts; `mparchive backfill` fetches them")
    say(f"today's parser (version {PARSER_VERSION}) has read all of these pages; --all reads them again")


def _open_run(engine: Engine, chosen: ReparseSelection) -> int:
    arguments = {name: str(value) for name, value in asdict(chosen).items() if value}
    with transaction(engine) as session:
        return runs.start_run(session, "reparse", arguments, datetime.now(UTC))


def _close_run(engine: Engine, run_id: int, chosen: ReparseSelection, report: _Report) -> None:
    """Note how it ended; and when posts were away of which captures were kept before that was noted."""
    with transaction(engine) as session:
        missing = absences.posts_ever_missing(session)
    for start in range(0, len(missing), absences.ABSENCE_BATCH):
        with transaction(engine) as session:
            absences.rebuild_absences(session, missing[start : start + absences.ABSENCE_BATCH])
    with transaction(engine) as session:
        runs.finish_run(session, run_id, "done", dict(report.counts), datetime.now(UTC))


async def _read_all(engine: Engine, ids: Sequence[int], run_id: int, report: _Report, shown: Steps) -> None:
    reader = Rereader(ArchiveSettings(), min(MOST_PROCESSES, len(os.sched_getaffinity(0))))
    done = 0
    async with aclosing(reader.read(ids)) as read:
        async for some in read:
            for one in _settled(engine, some, run_id, report):
                report.add(one)
            done += len(some)
            shown.step("pages read again", done)


def _settled(engine: Engine, some: Sequence[Read], run_id: int, report: _Report) -> list[ReparsedCapture]:
    """What a few pages change, written where there is a run."""
    readings, failed = [], {}
    for number, reading in some:
        if not isinstance(reading, ParsedPage):
            report.damage(reading)
        elif reading.is_unreadable:
            failed[number] = reading.reason
        else:
            readings.append((number, reading))
    if failed:
        _note_failed(engine, run_id, failed, report)
    return _written(engine, readings, run_id, report)


def _note_failed(engine: Engine, run_id: int, failed: Mapping[int, str], report: _Report) -> None:
    """Name the captures; they stay as they are, with an incident each where there is a run."""
    for number, reason in failed.items():
        report.fail(f"capture {number}: {reason}")
    if run_id:
        with transaction(engine) as session:
            note_captures(session, failed, (), datetime.now(UTC))


def _written(
    engine: Engine, readings: Sequence[tuple[int, ParsedPage]], run_id: int, report: _Report
) -> list[ReparsedCapture]:
    """What readings change; one that cannot be stored is named, and the others are written."""
    try:
        return _reread(engine, readings, run_id)
    except Exception as error:
        if not is_of_content(error):
            raise
        if len(readings) == 1:
            _note_failed(engine, run_id, {readings[0][0]: unreadable(in_words(error)).reason}, report)
            return []
    return [one for pair in readings for one in _written(engine, [pair], run_id, report)]


def _reread(engine: Engine, readings: Sequence[tuple[int, ParsedPage]], run_id: int) -> list[ReparsedCapture]:
    with transaction(engine) as session:
        if run_id:
            return apply_parse_results(session, run_id, readings, datetime.now(UTC), PARSER_VERSION)
        session.connection(execution_options={"postgresql_readonly": True})
        return compare_parse_results(session, readings)


def _line(one: ReparsedCapture) -> str:
    named = one.aid or f"capture {one.capture_id}"
    size = f"+{one.extent.added} −{one.extent.removed}" if one.extent else ""
    outcomes = f"{one.before} → {one.after}" if one.before != one.after else ""
    reason = one.reason if one.finding in (ReparseResult.LOST, ReparseResult.OUTCOME) else ""
    return ", ".join(filter(None, (named, _WORDS[one.finding], size, outcomes, one.title, reason)))
