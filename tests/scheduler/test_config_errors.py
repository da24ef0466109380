"""Mistakes in the configuration, as a person reads them."""

from pathlib import Path

import pytest

from scheduler.config import ConfigError, key_path, load_config
from tests.scheduler.test_config import ACCOUNT, load


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no account; a table [[accounts]] with biz and name was expected"),
        ("accounts", "is not TOML: Expected '=' after a key in a key/value pair (at end of document)"),
        ("a = 1\nname = 合成\n", "is not TOML: Invalid value (at line 2, column 8); a line is key ="),
        ("a = “x”\n", "is not TOML: Invalid value (at line 1, column 5)"),
        ("a = 1\na = 2\n", "is not TOML: Cannot overwrite a value (at line 2, column 6)"),
        ("a = [1,\n", "is not TOML: Invalid value (at end of document)"),
        ('a = 1\nb = "\xff"'.encode("latin-1"), "line 2: it is not UTF-8"),
        ("[account]\n", "account: there is no such key; did you mean accounts?"),
        ("[[accounts]]\nname = 'x'\n", "accounts[1].biz: it is missing"),
        (ACCOUNT + "albun = []\n", "accounts[1].albun: there is no such key; did you mean albums?"),
        (ACCOUNT + "\n# c\nalbums = [\n  '1',\n  'q',\n]\n", "accounts[1].albums[2]: 'q' is"),
        (ACCOUNT + "albums = '1'\n", 'accounts[1].albums: a list was expected: ["…", "…"]'),
        (ACCOUNT + "follow_albums = 'yes'\n", "accounts[1].follow_albums: true or false was expected"),
        (ACCOUNT + "every_minutes = true\n", "accounts[1].every_minutes: a whole number was expected"),
        (ACCOUNT + "every_minutes = 5\n", "accounts[1].every_minutes: at least 15 was expected"),
        (ACCOUNT + "digest_title = '('\n", "accounts[1].digest_title: '(' is no regular expression"),
        (ACCOUNT + "official = 3\n", "accounts[1].official: a table was expected"),
        (ACCOUNT + "official = { appid = 'a', secret_env = 'B' }\n", "an AppID was expected: wx and 16 hex"),
        (ACCOUNT + "weread = 'yes'\n", "accounts[1].weread: a table was expected"),
        (ACCOUNT + "weread = { login = '../x' }\n", "weread.login: the name of a login was expected"),
        (ACCOUNT + "weread = { looks_a_day = 99 }\n", "weread.looks_a_day: at most 24 was expected"),
        (ACCOUNT + "weread = { cookie = 'x' }\n", "weread.cookie: there is no such key"),
        (ACCOUNT + "weread_agent = { key = 'wrk-x' }\n", "accounts[1].weread_agent.key: "),
        (ACCOUNT + "weread_agent = {}\n", "one of key_file and key_env was expected"),
        (ACCOUNT + "own_backend = {}\n", "one of credentials_file and credentials_env was expected"),
        (ACCOUNT + "addresses_file = \"a\\u0000\"\n", "accounts[1].addresses_file: a text without control"),
        (ACCOUNT + "digest_title = \"a\\u0007\"\n", "accounts[1].digest_title: a text without control"),
        (ACCOUNT * 2, "accounts[2].biz: 合成云屿经信 has the same"),
        (ACCOUNT.replace("==", ""), "accounts[1].biz: 'Mzk5OTAwMDAwMQ' lost its end"),
        (ACCOUNT.replace("Mzk5", "gh_5"), "accounts[1].biz: 'gh_5OTAwMDAwMQ==' is no __biz"),
        (ACCOUNT.replace("Mzk5OTAwMDAwMQ==", "合成云屿"), "accounts[1].biz: '合成云屿' is no __biz"),
        (ACCOUNT.replace("[[accounts]]", "[accounts]"), "accounts: tables were expected, each under"),
        (ACCOUNT + "[inbox]\nfolder = ''\n", "inbox.folder: a folder of its own was expected"),
        (ACCOUNT + "[inbox]\nfolder = 'a/..'\n", "inbox.folder: a folder of its own was expected"),
        (ACCOUNT + "[schedule]\nquiet_hours = '23-7'\n", "schedule.quiet_hours: '23-7' is no span of hours"),
        (ACCOUNT + "[schedule]\ndefault_minutes = 1000\n", "schedule: shortest_minutes <= "),
        (ACCOUNT + "[alarms]\nurls_env = 'a b'\n", "alarms.urls_env: the name of an environment variable"),
        (ACCOUNT + "[reading_room]\nlisten = '8788'\n", "'8788' is no address to listen at"),
        (ACCOUNT + "[reading_room]\nlisten = '[::1]:99999'\n", "is no address to listen at"),
        (ACCOUNT + "[backup]\nkeep = '7d'\n", "backup.to: it is missing"),
        (ACCOUNT + "[backup]\nto = 's3://me:hidden@b/p'\n", "backup.to: the address of the backups (s3://b/p)"),
        (ACCOUNT + "[backup]\nto = 'x://b'\n", "backup.to: no storage is known by x://"),
        (ACCOUNT + "[backup]\nto = 'b'\nkeep = '7'\n", "backup.keep: '7' does not say which backups to keep"),
        (ACCOUNT + "[backup]\nto = 'b'\nat = '3:30'\n", 'backup.at: a time of day as "03:30" was'),
        (ACCOUNT + "[backup]\nto = 'b'\nat = '24:00'\n", 'backup.at: a time of day as "03:30" was'),
        (ACCOUNT + "[backup]\nto = 'b'\nevery_hours = 0\n", "backup.every_hours: at least 1 was expected"),
        (ACCOUNT + "[backup]\nto = 'b'\nat = '03:30'\nevery_hours = 6\n", "backup: at and every_hours"),
        ("x = 1\n" * 50_000, "has over 262144 bytes"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_file_key_and_what_was_expected(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    assert str(raised.value).startswith(str(tmp_path / "mparchive.toml"))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_several_mistakes_are_counted_and_the_first_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"accounts\[1\]\.feeds: .* \(and 1 more mistake\)"):
        load(tmp_path, ACCOUNT + "feeds = 1\n[limits]\nfree_disk_mb = 1\n")


def test_a_mistake_is_said_in_chinese(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, ACCOUNT + "every_minutes = 5\n[limits]\nfree_disk_mb = 1\n")
    words = raised.value.message.text("zh")
    assert words.endswith("mparchive.toml：accounts[1].every_minutes：不能小于 15（另有 1 处错误）")


def test_what_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        load(tmp_path, f"a = {'[' * 20_000}\n")


def test_keys_are_counted_from_one() -> None:
    assert key_path(["accounts", 1, "albums", 0]) == "accounts[2].albums[1]"


def test_a_folder_or_a_missing_file_is_no_configuration(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(ConfigError, match=r"cannot be read: (is a directory|no such file)"):
            load_config(path)
