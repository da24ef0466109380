"""`mparchive reparse`: parse stored pages again with the current parser, and write what changes."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.address_text import in_text
from archive.domain.addresses import parse_address
from archive.domain.errors import error_message
from archive.domain.messages import Message
from archive.domain.parsed_page import ParsedPage, unreadable
from archive.ingest.pages import is_of_content
from archive.ingest.reparse import (
    ReparsedCapture,
    ReparseResult,
    apply_parse_results,
    compare_parse_results,
)
from archive.repository import absences, runs
from archive.repository.captures import ReparseSelection, captures_to_reparse
from archive.repository.incidents import note_captures
from archive.search.lookup import post_named
from crawler.parse import PARSER_VERSION
from crawler.worker.pool import Reparsed, Reparser
from mparchive.console import Steps, facts_table, label, localized, out, print_json, say, steps, translated
from mparchive.errors import CommandError, Exit

MAX_PROCESSES = 8  # each takes 200 MB, and one process that writes keeps up with no more

MAX_LISTED = 100_000  # changes in the JSON, 30 MB; further ones are only counted

_UNREAD = "unread"  # counted beside the values of ReparseResult: pages that could not be parsed or stored

_AID = re.compile(r"[0-9]+_[0-9]+")

_RESULT = "mparchive.reparse.result."  # with the name of a result: its words


@dataclass
class _Report:
    """Counts the results; `unread` has the reason for each page that could not be parsed or stored."""

    as_json: bool
    applied: bool
    counts: Counter[str] = field(default_factory=Counter)
    changes: list[dict[str, Any]] = field(default_factory=list)
    unread: list[Message] = field(default_factory=list)
    is_damaged: bool = False

    def add(self, one: ReparsedCapture) -> None:
        """Count one page, and report it unless it is unchanged."""
        self.counts[one.finding] += 1
        if one.finding is ReparseResult.SAME:
            return
        if not self.as_json:
            out.print(_line(one), markup=False)
        elif len(self.changes) < MAX_LISTED:
            self.changes.append(asdict(one))

    def damage(self, reason: Message) -> None:
        """Count a page that is not what was stored."""
        self.is_damaged = True
        self.fail(reason)

    def fail(self, reason: Message) -> None:
        """Count a page that could not be parsed or stored."""
        self.counts[_UNREAD] += 1
        self.unread.append(reason)
        say(reason)

    def end(self) -> Exit:
        """Print the counts and return the exit code."""
        changed = sum(self.counts[finding] for finding in ReparseResult) - self.counts[ReparseResult.SAME]
        if self.as_json:
            facts = {"parser_version": PARSER_VERSION, "applied": self.applied, "counts": dict(self.counts)}
            print_json({**facts, "changes": self.changes, "unread": self.unread})
        else:
            out.print(facts_table({label(_RESULT, what): str(count) for what, count in self.counts.items()}))
        if changed and not self.applied:
            say(Message("mparchive.reparse.not_applied"))
        return self._exit_code()

    def _exit_code(self) -> Exit:
        if self.is_damaged:
            return Exit.INTEGRITY
        return Exit.PARTLY_FAILED if self.unread or self.counts[ReparseResult.LOST] else Exit.DONE


def reparse(selection: ReparseSelection, *, apply: bool, as_json: bool) -> Exit:
    """Parse the selected captures again and print what changes; with `apply` write it.

    The posts of the selection are named as for `show`. Raises CommandError where no page of the selection is
    stored, NotArchived where a name fits no post or several.
    """
    with open_archive() as engine:
        with transaction(engine) as session:
            selection = replace(selection, aids=tuple(_aid(session, name) for name in selection.aids))
            ids = captures_to_reparse(session, selection, PARSER_VERSION)
        if not ids:
            _report_nothing_to_do(engine, selection)
        report = _Report(as_json, apply)
        run_id = _open_run(engine, selection) if apply else 0
        with steps(len(ids)) as shown:
            asyncio.run(_parse_all(engine, ids, run_id, report, shown))
        if apply:
            _close_run(engine, run_id, selection, report)
    return report.end()


def _aid(session: Session, name: str) -> str:
    """Return the aid of a post, which need not be archived if the name itself says it."""
    if _AID.fullmatch(name):
        return name
    addresses = (parse_address(url).aid for url in in_text(name))
    return next(filter(None, addresses), None) or post_named(session, name).aid


def _report_nothing_to_do(engine: Engine, selection: ReparseSelection) -> None:
    with transaction(engine) as session:
        if selection != ReparseSelection() and not captures_to_reparse(
            session, replace(selection, whole=True), PARSER_VERSION
        ):
            raise CommandError(Message("mparchive.reparse.no_pages"))
    say(Message("mparchive.reparse.up_to_date", {"version": PARSER_VERSION}))


def _open_run(engine: Engine, selection: ReparseSelection) -> int:
    arguments = runs.option_values(asdict(selection))
    with transaction(engine) as session:
        return runs.start_run(session, "reparse", arguments, datetime.now(UTC))


def _close_run(engine: Engine, run_id: int, selection: ReparseSelection, report: _Report) -> None:
    """Finish the run, and rebuild the take-downs of posts whose captures are older than that table."""
    with transaction(engine) as session:
        missing = absences.posts_ever_missing(session)
    for start in range(0, len(missing), absences.ABSENCE_BATCH):
        with transaction(engine) as session:
            absences.rebuild_absences(session, missing[start : start + absences.ABSENCE_BATCH])
    with transaction(engine) as session:
        runs.finish_run(session, run_id, "done", dict(report.counts), datetime.now(UTC))


async def _parse_all(engine: Engine, ids: Sequence[int], run_id: int, report: _Report, shown: Steps) -> None:
    parser = Reparser(ArchiveSettings(), min(MAX_PROCESSES, len(os.sched_getaffinity(0))))
    done = 0
    async with aclosing(parser.parse(ids)) as batches:
        async for some in batches:
            for one in _compare_or_apply(engine, some, run_id, report):
                report.add(one)
            done += len(some)
            shown.step(translated("mparchive.reparse.progress"), done)


def _compare_or_apply(
    engine: Engine, some: Sequence[Reparsed], run_id: int, report: _Report
) -> list[ReparsedCapture]:
    """Return what a few pages change; with a run, write it."""
    readings, failed = [], {}
    for number, reading in some:
        if not isinstance(reading, ParsedPage):
            report.damage(reading)
        elif reading.is_unreadable:
            failed[number] = reading.reason
        else:
            readings.append((number, reading))
    if failed:
        _report_failed(engine, run_id, failed, report)
    return _results(engine, readings, run_id, report)


def _report_failed(engine: Engine, run_id: int, failed: Mapping[int, str], report: _Report) -> None:
    """Report captures that stay as they are; with a run, open an incident for each."""
    for number, reason in failed.items():
        report.fail(
            Message("mparchive.reparse.capture_failed", {"id": number, "reason": Message.load(reason)})
        )
    if run_id:
        with transaction(engine) as session:
            note_captures(session, failed, (), datetime.now(UTC))


def _results(
    engine: Engine, readings: Sequence[tuple[int, ParsedPage]], run_id: int, report: _Report
) -> list[ReparsedCapture]:
    """Return what the parse results change; one that cannot be stored is reported, the others are written."""
    try:
        return _reparse_batch(engine, readings, run_id)
    except Exception as error:
        if not is_of_content(error):
            raise
        if len(readings) == 1:
            _report_failed(engine, run_id, {readings[0][0]: unreadable(error_message(error)).reason}, report)
            return []
    return [one for pair in readings for one in _results(engine, [pair], run_id, report)]


def _reparse_batch(
    engine: Engine, readings: Sequence[tuple[int, ParsedPage]], run_id: int
) -> list[ReparsedCapture]:
    with transaction(engine) as session:
        if run_id:
            return apply_parse_results(session, run_id, readings, datetime.now(UTC), PARSER_VERSION)
        session.connection(execution_options={"postgresql_readonly": True})
        return compare_parse_results(session, readings)


def _line(one: ReparsedCapture) -> str:
    named = one.aid or translated("mparchive.show.event.capture", id=one.capture_id)
    size = f"+{one.extent.added} −{one.extent.removed}" if one.extent else ""
    before, after = (label("mparchive.outcome.", outcome or "") for outcome in (one.before, one.after))
    outcomes = f"{before} → {after}" if before != after else ""
    reason = localized(one.reason) if one.finding in (ReparseResult.LOST, ReparseResult.OUTCOME) else ""
    return ", ".join(filter(None, (named, label(_RESULT, one.finding), size, outcomes, one.title, reason)))
