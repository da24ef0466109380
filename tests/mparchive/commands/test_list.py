"""`mparchive list` lists posts without words, or counts them."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records
from mparchive.errors import Exit
from tests.archive.making import NOW, article, record
from tests.archive.reports.test_changes import fetch
from tests.mparchive.commands.conftest import Run


@pytest.fixture(scope="module")
def filled(module_engine: Engine) -> Engine:
    """Store posts of three days, the last of them edited and removed."""
    posts = [replace(record(n, title=f"第{n}号"), date=f"2025-11-0{n + 2}") for n in (1, 2)]
    with transaction(module_engine) as session:
        import_records(session, None, posts, "dump", NOW)
        last = replace(record(3, title="两\n行\x1b[2J"), date="2025-12-31")
        fetch(session, last, article(last), 0)
        fetch(session, last, article(replace(last, text="改\r")), 1)
        fetch(session, last, ParsedPage(Outcome.DELETED), 2)
    return module_engine


@pytest.fixture
def mparchive(filled: Engine, use: Callable[[Engine], Run]) -> Run:
    return use(filled)


def aids(*arguments: object, of: Run) -> list[str]:
    return [post["aid"] for post in json.loads(of("list", *arguments, "--json").out)]


@pytest.mark.slow
def test_posts_are_printed_newest_first_one_a_line(mparchive: Run) -> None:
    ended = mparchive("list")
    assert (ended.code, ended.err) == (Exit.DONE, "")
    assert ended.out.splitlines() == [
        "1003_1  2025-12-31  示例账号  article  两 行␛[2J  [edited]  [removed]",
        "1002_1  2025-11-04  示例账号  not fetched yet  第2号",
        "1001_1  2025-11-03  示例账号  not fetched yet  第1号",
    ]


@pytest.mark.slow
def test_options_select_and_sort_posts(mparchive: Run) -> None:
    assert aids("--since", "2025-11", "--until", "2025-11", of=mparchive) == ["1002_1", "1001_1"]
    assert aids("--week", "2025-W45", "--sort", "oldest", of=mparchive) == ["1001_1", "1002_1"]
    assert aids("--changed", of=mparchive) == aids("--changed", "edited", of=mparchive) == ["1003_1"]
    assert aids("--changed=removed", "--account", "示例账号", of=mparchive) == ["1003_1"]
    assert aids("--changed", "restored", of=mparchive) == []
    assert aids("--changed", "--kind", "article", of=mparchive) == ["1003_1"]
    assert aids("-n", 2, of=mparchive) == ["1003_1", "1002_1"]


def test_json_has_dates_and_marks(mparchive: Run) -> None:
    post, *_ = json.loads(mparchive("list", "--json").out)
    assert (post["published_on"], post["kind"], post["marks"]) == (
        "2025-12-31",
        "article",
        ["edited", "removed"],
    )
    assert post["url"].startswith("http://mp.weixin.qq.com/s?")


@pytest.mark.slow
def test_posts_are_counted(mparchive: Run) -> None:
    assert mparchive("list", "--count-by", "month").out == "2025-12  1\n2025-11  2\n"
    assert mparchive("list", "--count-by", "kind").out == "not fetched yet  2\narticle  1\n"
    counted = json.loads(mparchive("list", "--count-by", "account", "--json").out)
    assert counted == [{"account": "示例账号", "biz": "MzA0NjAyNTQ5NQ==", "posts": 3}]
    weeks = json.loads(mparchive("list", "--count-by", "week", "--sort", "oldest", "--json").out)
    assert weeks == [{"week": "2025-W45", "posts": 2}, {"week": "2026-W01", "posts": 1}]


def test_it_is_said_that_there_are_more_or_none(mparchive: Run) -> None:
    assert mparchive("list", "-n", 1).err == "there are more than 1; --limit shows more\n"
    assert (
        mparchive("list", "-n", 1, "--count-by", "day").err == "there are more than 1; --limit shows more\n"
    )
    none = mparchive("list", "--since", "2026")
    assert (none.code, none.out, none.err) == (Exit.DONE, "", "no such post is in the archive\n")
    for arguments in (("--account", "nobody"), ("words",), ("--sort", "size"), ("--until", "2025-13")):
        ended = mparchive("list", *arguments)
        assert (ended.code, ended.out) == (Exit.USAGE, "")
