"""Kept pages read again in other processes: in their order, whatever becomes of a reader."""

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from archive.db.settings import ArchiveSettings
from archive.domain.parsed_page import unreadable
from crawler.worker import tasks
from crawler.worker.page_reader import DEADLY
from crawler.worker.pool import PAGES, Read, Rereader

KILLER = 2 * PAGES + 3
COUNT = 6 * PAGES + 1


def read_or_die(ids: Sequence[int]) -> list[str]:
    """Stands for a reading that one page kills."""
    if KILLER in ids:
        os.kill(os.getpid(), signal.SIGKILL)
    return [f"page {number}" for number in ids]


async def read_all(settings: ArchiveSettings) -> list[Read]:
    return [one async for some in Rereader(settings, 2).read(range(1, COUNT + 1)) for one in some]


def test_a_page_that_kills_its_reader_is_told_and_all_others_are_read_in_order(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "read_again", read_or_die)
    read = asyncio.run(read_all(ArchiveSettings(database_url=fresh_database_url)))
    assert [number for number, _ in read] == list(range(1, COUNT + 1))
    assert {number: told for number, told in read if told != f"page {number}"} == {KILLER: unreadable(DEADLY)}
