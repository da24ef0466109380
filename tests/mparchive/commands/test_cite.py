"""`mparchive cite` prints citations of posts."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.ingest.pages import import_records
from mparchive.errors import Exit
from tests.archive.making import BIZ, NOW, article, record
from tests.archive.reports.test_changes import fetch
from tests.mparchive.commands.conftest import Run


@pytest.fixture(scope="module")
def filled(module_engine: Engine) -> Engine:
    """Store a post with two versions, and one of a dump."""
    with transaction(module_engine) as session:
        fetch(session, record(1), article(record(1)), 0)
        fetch(session, record(1), article(record(1, title="改后的标题")), 10)
        import_records(session, None, [record(2)], "dump", NOW)
    return module_engine


@pytest.fixture
def mparchive(filled: Engine, use: Callable[[Engine], Run]) -> Run:
    return use(filled)


def item(*arguments: object, of: Run) -> dict[str, object]:
    (found,) = json.loads(of("cite", *arguments, "-f", "csl-json").out)
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_the_standard_of_china_is_the_default(mparchive: Run) -> None:
    ended = mparchive("cite", "1001_1")
    assert (ended.code, ended.err) == (Exit.DONE, "")
    assert ended.out.startswith(
        "示例账号. 改后的标题[EB/OL]. (2026-03-01)[2026-03-02]. http://mp.weixin.qq.com/s?"
    )
    assert "第 2 版，抓取于 2026-03-02T12:10:00+08:00，SHA-256 " in ended.out


@pytest.mark.slow
def test_a_post_is_named_by_its_aid_its_account_or_an_address(mparchive: Run) -> None:
    whole = item("1001_1", of=mparchive)
    for name in (
        f"{BIZ}/1001_1",
        f"posts/{BIZ}/1001_1",
        f"https://archive.example/posts/{BIZ.replace('=', '%3D')}/1001_1?lang=en",
        f"https://archive.example/posts/{BIZ}/1001_1/history?before=1&after=2",
        record(1).url,
    ):
        assert item(name, of=mparchive) == whole
    assert item(f"https://archive.example/posts/{BIZ}/1001_1/versions/1", of=mparchive)["version"] == "1"
    assert item("1001_1", "--version", "1", "--account", BIZ, of=mparchive)["title"] == "标题"


def test_the_address_of_the_archive_is_named_where_it_is_set(
    mparchive: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "archive_location" not in item("1001_1", of=mparchive)
    monkeypatch.setenv("MPARCHIVE_PUBLIC_URL", "https://archive.example/wechat/")
    place = item("1001_1", of=mparchive)["archive_location"]
    assert place == f"https://archive.example/wechat/posts/{BIZ}/1001_1/versions/2"
    for bad in ("archive.example", "ftp://archive.example", "https://user:secret@archive.example"):
        monkeypatch.setenv("MPARCHIVE_PUBLIC_URL", bad)
        ended = mparchive("cite", "1001_1")
        assert (ended.code, ended.out) == (Exit.USAGE, "")
        assert "MPARCHIVE_PUBLIC_URL" in ended.err


@pytest.mark.slow
def test_what_cannot_be_cited_is_named_and_the_rest_is_printed(mparchive: Run) -> None:
    ended = mparchive("cite", "1001_1", "9999_1", "1002_1", "nonsense", "--format", "bibtex")
    assert ended.code == Exit.PARTLY_FAILED
    assert ended.out.count("@online{") == 2
    assert "there is no post 9999_1" in ended.err
    assert "nonsense" in ended.err
    for arguments, words in {
        ("9999_1",): "there is no post 9999_1",
        ("1001_1", "--version", "3"): "has no version 3",
        ("1001_1", "--format", "apa"): "apa",
        (f"nobody/{record(1).aid}",): "nobody has no post",
        ("https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv",): "AbCdEfGh",
    }.items():
        ended = mparchive("cite", *arguments)
        assert (ended.code, ended.out) == (Exit.USAGE, ""), arguments
        assert words in ended.err
