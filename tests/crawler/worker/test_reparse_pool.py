"""Stored pages are parsed again in other processes, in order, whatever becomes of a process."""

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from archive.db.settings import ArchiveSettings
from archive.domain.parsed_page import unreadable
from crawler.worker import tasks
from crawler.worker.page_parser import PROCESS_DIED
from crawler.worker.pool import REPARSE_PAGES, Reparsed, Reparser

KILLER = 2 * REPARSE_PAGES + 3
COUNT = 6 * REPARSE_PAGES + 1


def parse_or_die(ids: Sequence[int]) -> list[str]:
    """Parse like a parser that one page kills."""
    if KILLER in ids:
        os.kill(os.getpid(), signal.SIGKILL)
    return [f"page {number}" for number in ids]


async def parse_all(settings: ArchiveSettings) -> list[Reparsed]:
    return [one async for some in Reparser(settings, 2).parse(range(1, COUNT + 1)) for one in some]


def test_a_page_that_kills_its_process_is_unreadable_and_all_others_are_parsed_in_order(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "reparse_captures", parse_or_die)
    parsed = asyncio.run(parse_all(ArchiveSettings(database_url=fresh_database_url)))
    assert [number for number, _ in parsed] == list(range(1, COUNT + 1))
    assert {number: page for number, page in parsed if page != f"page {number}"} == {
        KILLER: unreadable(PROCESS_DIED)
    }
