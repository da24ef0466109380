"""Words that stand alone: all the program has are said in Chinese, and none that it has not."""

import ast
from collections.abc import Iterator
from pathlib import Path

import archive
import crawler
import mparchive
import scheduler
from archive.domain.outcomes import NO_ANSWER, NOT_DRAWN, Kind, MediumOutcome, Outcome, Relation
from archive.domain.update_decisions import PAGE, StoreResult
from archive.ingest.reparse import ReparseResult
from archive.integrity.check import _NOT_SOUND, _SOUND
from archive.integrity.checks import CHECK_NAMES as CHECKS
from crawler.discovery.source import State
from crawler.run_stats import EXIT_CODES, SourceTally, Tally
from mparchive.run_summary import WORDS as BACKFILLED
from scheduler.timetable import Work
from tests.web.locale.sentences.written import texts
from web.locale.sentences.names import COUNTS, NAMES

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_STARTERS = ("start_run", "open_run")


def _files() -> Iterator[Path]:
    for part in (archive, crawler, scheduler, mparchive):
        yield from Path(part.__path__[0]).rglob("*.py")


def _command(node: ast.AST) -> Iterator[ast.expr]:
    """The second of what a run is started with: by a call, or by a call in the worker."""
    match node:
        case ast.Call(args=[_, words, *_]) if ast.unparse(node.func).endswith(_STARTERS):
            yield words
        case ast.Call(args=[ast.Attribute(attr="open_run"), words, *_]):
            yield words


def _event(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_tally"), attr="count"), args=[words]):
            yield words
        case ast.Subscript(value=ast.Attribute(attr="events"), slice=words):
            yield words


def names() -> set[str]:
    """All words that stand alone, but counts."""
    kinds = (State, Outcome, Kind, Relation, MediumOutcome, StoreResult, Work, EXIT_CODES, WEEKDAYS)
    others = ("verify", "dump", PAGE, "unread", NO_ANSWER, NOT_DRAWN, _SOUND, _NOT_SOUND)
    return {str(one) for kind in kinds for one in kind} | {*texts(_files(), _command), *others}


def counts() -> set[str]:
    """All names of counts of runs."""
    events = {*texts(_files(), _event), "found", "asked_again", "unread"}
    tallied = {*Tally().counts(0), *SourceTally().counts(0), "counts", "reasons"}
    return {*CHECKS, *map(str, ReparseResult), *BACKFILLED, *events, *tallied}


def test_every_word_has_its_chinese_and_none_is_there_that_nobody_says() -> None:
    assert names() - set(NAMES) == set()
    assert set(NAMES) - names() == set()


def test_every_count_has_its_name_in_chinese_and_none_is_there_that_nobody_counts() -> None:
    assert counts() - set(COUNTS) - set(NAMES) == set()
    assert set(COUNTS) - counts() == set()
