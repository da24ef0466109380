"""`mparchive search` prints the matches, or rebuilds the index."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.ingest.pages import import_records
from mparchive.commands import search
from mparchive.errors import Exit
from tests.archive.making import NOW, record
from tests.mparchive.commands.conftest import Run

POSTS = 5


@pytest.fixture(scope="module")
def filled(module_engine: Engine) -> Engine:
    """Import a few posts, of a day each, with a word in common."""
    posts = [
        replace(record(number, title=f"第{number}号", text="工业互联网\r"), date=f"2026-03-0{number}")
        for number in range(1, POSTS + 1)
    ]
    with transaction(module_engine) as session:
        import_records(session, None, posts, "dump", NOW)
    return module_engine


@pytest.fixture
def mparchive(filled: Engine, use: Callable[[Engine], Run]) -> Run:
    return use(filled)


def aids(*arguments: object, of: Run) -> list[str]:
    return [hit["aid"] for hit in json.loads(of("search", "--json", *arguments).out)]


@pytest.mark.slow
def test_each_match_is_printed_with_its_day_title_and_excerpt(mparchive: Run) -> None:
    ended = mparchive("search", "互联网", "第3号")
    assert (ended.code, ended.err) == (Exit.DONE, "")
    assert ended.out == "1003_1  2026-03-03  第3号\n    工业互联网\n"


def test_json_marks_the_words_of_the_query(mparchive: Run) -> None:
    (hit,) = json.loads(mparchive("search", "互联网", "--since", "2026-03-05", "--json").out)
    assert (hit["aid"], hit["title"]) == ("1005_1", "第5号")
    assert {"text": "互联网", "is_word": True} in hit["excerpt"]


def test_the_newest_come_first_as_many_as_are_wanted_and_it_is_said_that_there_are_more(
    mparchive: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_LIMIT", 2)  # results of one page
    assert aids("互联网", "--limit", 3, of=mparchive) == ["1005_1", "1004_1", "1003_1"]
    assert len(aids("互联网", of=mparchive)) == POSTS
    more = "there are more than 3 matches; --limit shows more"
    assert more in mparchive("search", "互联网", "--limit", 3).err
    assert mparchive("search", "互联网", "--limit", POSTS).err == ""


@pytest.mark.slow
def test_nothing_found_is_said_and_is_no_failure(mparchive: Run) -> None:
    ended = mparchive("search", "不存在")
    assert (ended.code, ended.out, ended.err) == (Exit.DONE, "", "no post contains these words\n")
    assert json.loads(mparchive("search", "不存在", "--json").out) == []


@pytest.mark.usefixtures("in_chinese")
def test_it_is_said_in_the_language_of_the_process(mparchive: Run) -> None:
    assert mparchive("search", "不存在").err == "没有文章包含这些词\n"
    assert "请给出要搜索的词、日期" in mparchive("search").err


def test_options_that_cannot_be_meant_are_refused(mparchive: Run) -> None:
    for arguments, words in {
        (): "give words to search for, days",
        ("词", "--rebuild"): "or --rebuild alone",
        (
            "词",
            "--newest",
        ): "there is no option --newest; to search for a word that begins like that, write --",
        ("词", "-x"): "there is no option -x; to search for a word that begins like that, write -- before it",
        ("--sinc=2026",): "mparchive search -- --sinc=2026",
        ("", "--since", "2026"): "search",
        ("词", "--account", "nobody"): "nobody",
        ("词", "--since", "2026-03-02", "--until", "2026-03-01"): "2026-03-02",
    }.items():
        ended = mparchive("search", *arguments)
        assert (ended.code, ended.out) == (Exit.USAGE, "")
        assert words in ended.err


def test_the_index_is_rebuilt_from_the_posts(mparchive: Run, filled: Engine) -> None:
    with transaction(filled) as session:
        session.execute(text("DELETE FROM post_search_documents"))
    assert aids("互联网", of=mparchive) == []
    ended = mparchive("search", "--rebuild")
    assert (ended.code, ended.out) == (Exit.DONE, "")
    assert ended.err.endswith(f"search index of {POSTS} posts rebuilt\n")
    assert len(aids("互联网", of=mparchive)) == POSTS
    assert json.loads(mparchive("search", "--rebuild", "--json").out) == {"posts": POSTS}


def test_days_alone_select_posts(mparchive: Run) -> None:
    assert aids("--since", "2026-03-04", of=mparchive) == ["1005_1", "1004_1"]
    assert aids("--week", "2026-W10", "-n", 2, of=mparchive) == ["1005_1", "1004_1"]
    assert aids("--account", "示例账号", "--until", "2026-03-01", of=mparchive) == ["1001_1"]
    assert aids("--since", "2026-03-04", "--order", "relevance", of=mparchive) == ["1005_1", "1004_1"]
    assert mparchive("search", "--until", "2026-03-01").out == "1001_1  2026-03-01  第1号\n    工业互联网\n"
    assert mparchive("search", "--since", "2027").err == "no such post is in the archive\n"
    assert aids("互联网", "--changed", of=mparchive) == aids("--changed", "edited", of=mparchive) == []


def test_words_with_dashes_exclude_posts_and_none_is_taken_for_an_option(mparchive: Run) -> None:
    assert aids("互联网", "-第3号", "--limit", 2, of=mparchive) == ["1005_1", "1004_1"]
    assert aids("互联网", "-nokia", "-huawei", "-visa", "-n1", of=mparchive) == ["1005_1"]
    assert aids("--", "互联网", "-x", "-第5号", of=mparchive) == ["1004_1", "1003_1", "1002_1", "1001_1"]
    assert aids("--", "--newest", of=mparchive) == []
    assert "1005_1" not in aids("-第5号", "互联网", of=mparchive)


def test_a_word_with_two_dashes_is_found_behind_two_dashes(mparchive: Run, filled: Engine) -> None:
    with transaction(filled) as session:
        import_records(session, None, [record(9, text="用 --newest 排序\r")], "dump", NOW)
    assert aids("--", "--newest", of=mparchive) == ["1009_1"]
    with transaction(filled) as session:
        session.execute(text("DELETE FROM post_search_documents WHERE words LIKE '%--newest%'"))
