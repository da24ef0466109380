"""The counts at the end of a command, and their table."""

from io import StringIO

import pytest
from rich.console import Console

from archive.domain.messages import Message
from archive.domain.outcomes import BLOCKING, MediumOutcome, Outcome
from archive.system.catalogues import LANGUAGES, Language, template
from mparchive.crawl import COUNTED, RunSummary


def shown(summary: RunSummary, language: Language) -> list[str]:
    console = Console(file=StringIO(), width=200)
    console.print(summary.table(language))
    assert isinstance(console.file, StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_rows_stand_in_a_fixed_order_and_only_where_something_was_counted() -> None:
    summary = RunSummary()
    summary.add("deleted")
    summary.add("new", 3)
    summary.add("known", 0)
    assert shown(summary, "en") == ["3 new posts", "1 deleted by the author"]
    assert shown(summary, "zh") == ["3 新文章", "1 已被作者删除"]


def test_the_first_reason_is_kept_and_said_in_the_readers_language() -> None:
    summary = RunSummary()
    summary.add("browser_failed", 1, Message("mparchive.crawl.see_log"))
    summary.add("browser_failed", 1, "another one")
    assert shown(summary, "zh")[0].endswith("原因见抓取日志")
    assert summary.as_dict() == {
        "counts": {"browser_failed": 2},
        "reasons": {"browser_failed": "the log of the crawl gives the reason"},
    }


def test_a_stored_message_is_read_and_any_other_text_stays() -> None:
    summary = RunSummary()
    summary.add("unknown", reason="mparchive.crawl.see_log")
    summary.add("failed", reason="no answer: a.b")
    assert summary.as_dict()["reasons"] == {
        "unknown": "the log of the crawl gives the reason",
        "failed": "no answer: a.b",
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_is_counted_has_words(language: Language) -> None:
    assert [one for one in COUNTED if template(f"mparchive.summary.{one}", language) is None] == []
    outcomes = {str(one) for one in Outcome} - {"article"} | {f"images_{one}" for one in MediumOutcome}
    assert (outcomes | BLOCKING) - set(COUNTED) == set()
