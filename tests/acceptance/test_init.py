"""`mparchive init`: the configuration that watches an account, from whatever names one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from archive.domain.monitoring import SourceType
from scheduler.config import Config, load_config
from tests.acceptance.command import Command
from tests.acceptance.dumps import write_dump
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.pages import catalogue
from tests.standin.posts import ALBUM, POSTS

CommandAt = Callable[[str], Command]
ARTICLE = next(post for post in POSTS if post.album and post.account is COMMISSION)
APP = {
    "articalList": [{"officalAccout": "合成海梁工信", "fakeId": "Mzk5OTAwMDAwMw%3D%3D"}],
    "cookieStr": "hush",
}


def config_of(command: Command) -> Config:
    return load_config(command.home / "mparchive.toml")


def test_any_address_of_an_account_is_enough(mparchive_at: CommandAt) -> None:
    with Standin() as standin:
        command = mparchive_at(standin.origin)
        done = command("init", ARTICLE.short_url)
        assert (done.code, done.out) == (0, b"")
        (account,) = config_of(command).accounts
        assert (account.biz, account.name) == (COMMISSION.biz, COMMISSION.nickname)
        assert account.albums == (ALBUM,)
        assert COMMISSION.nickname in done.err
        assert f"new posts of {COMMISSION.nickname} are found through the albums" in done.err

        refused = command("init", ARTICLE.short_url)
        assert (refused.code, "already" in refused.err, "--output" in refused.err) == (2, True, True)
        again = command("init", ARTICLE.url, "--output", "-")  # its page is archived: nobody is asked
        assert f'biz = "{COMMISSION.biz}"' in again.out.decode()
        assert standin.stats()["total"] == 1
    assert command.number("SELECT count(*) FROM posts") == 1


def test_a_biz_and_the_name_of_an_archived_account_are_enough(mparchive: Command, tmp_path: Path) -> None:
    assert mparchive("backfill", write_dump(tmp_path / "dump.json", 3), "--no-fetch").code == 0
    ((biz, name),) = mparchive.rows("SELECT biz, name FROM accounts")
    for given in (biz, name):
        done = mparchive("init", given, "--output", "-")
        written = done.out.decode()
        assert (done.code, f'biz = "{biz}"' in written, f'name = "{name}"' in written) == (0, True, True)
    unknown = mparchive("init", "不曾存档", "--output", "-")
    assert (unknown.code, unknown.out) == (2, b"")
    assert "WeChat has no directory of names" in unknown.err


def test_every_source_is_listed_with_what_it_would_find(mparchive: Command, tmp_path: Path) -> None:
    shown = next(one for one in catalogue() if one.post is ARTICLE)
    (tmp_path / "page.html").write_bytes(b"".join(shown.render(0)))
    said = mparchive("init", tmp_path / "page.html").err.splitlines()
    on = [line for line in said if line.startswith("  on ")]
    off = [line for line in said if line.startswith("  off ")]
    assert (len(on), len(on) + len(off)) == (2, len(SourceType))
    assert all("; it takes " in line for line in off)


def test_without_an_answer_a_long_address_still_tells_the_account(
    mparchive: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_RETRY_TIMES", "0")  # nobody will answer
    long = mparchive("init", ARTICLE.url)
    assert long.code == 4
    assert [account.biz for account in config_of(mparchive).accounts] == [COMMISSION.biz]
    assert "could not be detected" in long.err
    short = mparchive("init", ARTICLE.short_url, "--output", "other.toml")
    assert (short.code, "a short link alone does not name its account" in short.err) == (4, True)
    assert not (mparchive.home / "other.toml").exists()


def test_files_tell_their_accounts_without_any_request(mparchive: Command, tmp_path: Path) -> None:
    write_dump(tmp_path / "dump.json", 3)
    (tmp_path / "app.json").write_text(json.dumps(APP, ensure_ascii=False))
    shown = next(one for one in catalogue() if one.post is ARTICLE)
    (tmp_path / "page.html").write_bytes(b"".join(shown.render(0)))
    assert mparchive("init", tmp_path).code == 0
    names = {account.biz: account.name for account in config_of(mparchive).accounts}
    assert names["Mzk5OTAwMDAwMw=="] == "合成海梁工信"
    assert names[COMMISSION.biz] == COMMISSION.nickname
    assert len(names) == 3
    assert "hush" not in (tmp_path / "mparchive.toml").read_text()
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("https://example.org/s/abc", "only mp.weixin.qq.com is archived"),
        ("nothing.json", "cannot be read"),
        ("https://mp.weixin.qq.com/s?__biz=gh_1&mid=1&idx=1", "is no __biz"),
    ],
)
def test_what_names_no_account_is_said(mparchive: Command, what: str, words: str) -> None:
    done = mparchive("init", what)
    assert words in done.err
    assert "Traceback" not in done.err
    assert not (mparchive.home / "mparchive.toml").exists()
    assert done.code == 2


def test_a_place_that_cannot_be_written_is_said(mparchive: Command, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 1)
    (tmp_path / "file").write_text("")
    done = mparchive("init", dump, "--output", "file/mparchive.toml")
    assert (done.code, "cannot be written" in done.err) == (2, True)
