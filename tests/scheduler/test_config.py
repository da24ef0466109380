"""The configuration file: what it may say, and how a mistake in it is told."""

from datetime import time
from pathlib import Path

import pytest

from crawler.discovery.config import AccountConfig
from scheduler.config import Config, find_config, load_config, quiet_between
from scheduler.config_errors import ConfigError

ACCOUNT = '[[accounts]]\nbiz = "Mzk5OTAwMDAwMQ=="\nname = "合成云屿经信"\n'
BACKEND = '[accounts.own_backend]\ncookie = "hush-hush"\n'


def load(folder: Path, text: str | bytes) -> Config:
    path = folder / "mparchive.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config(path)


def test_one_account_of_three_lines_is_a_whole_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, ACCOUNT)
    (account,) = config.accounts
    assert (account.biz, account.name, account.albums) == ("Mzk5OTAwMDAwMQ==", "合成云屿经信", ())
    assert (config.inbox, config.alarms, config.schedule.quiet_hours) == (None, None, None)


def test_all_there_is_to_say_is_read(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        f"""{ACCOUNT}albums = ["12345", "https://mp.weixin.qq.com/mp/appmsgalbum?__biz=x&amp;album_id=678#wechat_redirect"]
follow_albums = true
feeds = ["https://feeds.example/a.xml?key={{env:FEED_KEY}}"]
addresses_file = "lists/mine.txt"
own_backend = {{ credentials_file = "/run/secrets/login" }}
official = {{ appid = "wx0123456789abcdef", secret_env = "APP_SECRET" }}
digest_title = "一周(要闻|回顾)"
every_minutes = 30
[schedule]
quiet_hours = "23:00-07:00"
every_minutes = {{ album = 45 }}
[inbox]
folder = "inbox"
[alarms]
urls_env = "ALARMS"
[limits]
revisits_a_day = 0
[reading_room]
listen = "[::1]:8800"
""",
    )
    (account,) = config.accounts
    assert account.albums == ("12345", "678")
    assert account.addresses_file == tmp_path / "lists/mine.txt"
    assert account.own_backend and account.own_backend.credentials_file == Path("/run/secrets/login")
    assert config.schedule.every_minutes.album == 45
    assert quiet_between(config.schedule.quiet_hours or "") == (time(23), time(7))
    assert config.reading_room and config.reading_room.address == ("::1", 8800)
    assert config.inbox and config.inbox.folder == tmp_path / "inbox"
    assert AccountConfig.model_validate_json(account.model_dump_json()) == account


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_marks_that_editors_on_windows_leave_do_no_harm(tmp_path: Path, ending: str) -> None:
    assert load(tmp_path, ("\ufeff" + ACCOUNT.replace("\n", ending)).encode()).accounts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: there is no account; a table [[accounts]] with biz and name was expected"),
        ("accounts", 'line 1: it is not TOML; a line is key = "value", a [table] or a # comment'),
        ("a = 1\nname = 合成\n", "line 2: it is not TOML at column 8; text stands in straight quotes"),
        ("a = “x”\n", "line 1: it is not TOML at column 5; text stands in straight quotes"),
        ("a = 1\na = 2\n", "line 2: it is not TOML at column 6; the key stands there twice"),
        ("a = [1,\n", "line 1: it is not TOML; the file ends too soon"),
        ('a = 1\nb = "\xff"'.encode("latin-1"), "line 2: it is not UTF-8"),
        ("[account]\n", "line 1: account: there is no such key; did you mean accounts?"),
        ("[[accounts]]\nname = 'x'\n", "line 1: accounts[1].biz: it is missing"),
        (ACCOUNT + "albun = []\n", "line 4: accounts[1].albun: there is no such key; did you mean albums?"),
        (ACCOUNT + "\n# c\nalbums = [\n  '1',\n  'q',\n]\n", "line 6: accounts[1].albums[2]: 'q' is"),
        (ACCOUNT + "albums = '1'\n", 'line 4: accounts[1].albums: a list was expected: ["…", "…"]'),
        (ACCOUNT + "follow_albums = 'yes'\n", "accounts[1].follow_albums: true or false was expected"),
        (ACCOUNT + "every_minutes = true\n", "accounts[1].every_minutes: a whole number was expected"),
        (ACCOUNT + "every_minutes = 5\n", "accounts[1].every_minutes: at least 15 was expected"),
        (ACCOUNT + "digest_title = '('\n", "accounts[1].digest_title: '(' is no regular expression"),
        (ACCOUNT + "official = 3\n", "accounts[1].official: a table was expected"),
        (ACCOUNT + "official = { appid = 'a', secret_env = 'B' }\n", "an AppID was expected: wx and 16 hex"),
        (ACCOUNT + "own_backend = {}\n", "one of credentials_file and credentials_env was expected"),
        (ACCOUNT * 2, "line 5: accounts[2].biz: 合成云屿经信 has the same"),
        (ACCOUNT.replace("==", ""), "line 2: accounts[1].biz: 'Mzk5OTAwMDAwMQ' lost its end"),
        (ACCOUNT.replace("Mzk5", "gh_5"), "line 2: accounts[1].biz: 'gh_5OTAwMDAwMQ==' is no __biz"),
        (ACCOUNT.replace("Mzk5OTAwMDAwMQ==", "合成云屿"), "line 2: accounts[1].biz: '合成云屿' is no __biz"),
        (ACCOUNT.replace("[[accounts]]", "[accounts]"), "line 1: accounts: tables were expected, each under"),
        (ACCOUNT + "[inbox]\nfolder = ''\n", "line 5: inbox.folder: a folder of its own was expected"),
        (ACCOUNT + "[inbox]\nfolder = 'a/..'\n", "line 5: inbox.folder: a folder of its own was expected"),
        (ACCOUNT + "[schedule]\nquiet_hours = '23-7'\n", "line 5: schedule.quiet_hours: '23-7' are no hours"),
        (ACCOUNT + "[schedule]\ndefault_minutes = 1000\n", "line 4: schedule: shortest_minutes <= "),
        (ACCOUNT + "[alarms]\nurls_env = 'a b'\n", "alarms.urls_env: the name of an environment variable"),
        (ACCOUNT + "[reading_room]\nlisten = '8788'\n", "'8788' is no address to listen at"),
        (ACCOUNT + "[reading_room]\nlisten = '[::1]:99999'\n", "is no address to listen at"),
        ("x = 1\n" * 50_000, "has over 262144 bytes"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_file_line_and_key(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    assert str(raised.value).startswith(str(tmp_path / "mparchive.toml"))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (ACCOUNT + BACKEND, "credentials_file or credentials_env"),
        (ACCOUNT + "[alarms]\nurls = 'dingtalk://hush-hush'\n", "urls_file or urls_env"),
        (ACCOUNT + "official = { secret = 'hush-hush' }\n", "secret_file or secret_env"),
        (ACCOUNT + "feeds = ['https://a.example/b?key=hush-hush']\n", "{env:VARIABLE} or {file:/path}"),
        (ACCOUNT + "feeds = ['https://hush-hush@a.example/b']\n", "{env:VARIABLE} or {file:/path}"),
        (ACCOUNT + "feeds = ['ftp://x:hush-hush@a.example/b?key=hush-hush']\n", "https://"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, text: str, form: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    assert form in str(raised.value)
    assert "hush" not in str(raised.value)


def test_several_mistakes_are_counted_and_the_first_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 4: accounts\[1\]\.feeds: .* \(and 1 more\)"):
        load(tmp_path, ACCOUNT + "feeds = 1\n[limits]\nfree_disk_mb = 1\n")


def test_a_mistake_far_down_a_long_file_is_found_at_its_line(tmp_path: Path) -> None:
    others = "".join(f'"{number}",\n' for number in range(90))
    text = f"{ACCOUNT}feeds = [\n{others.replace(chr(34), chr(39))}]\nalbun = 3\n"
    with pytest.raises(ConfigError, match="line 96: "):
        load(tmp_path, text)


def test_the_file_is_looked_for_where_the_variable_says_then_here_then_at_home(tmp_path: Path) -> None:
    home, here, named = tmp_path / "home", tmp_path / "here", tmp_path / "named.toml"
    for folder in (home, here):
        folder.mkdir()
    with pytest.raises(ConfigError, match="`mparchive init"):
        find_config({}, home, here)
    (home / "mparchive.toml").touch()
    assert find_config({}, home, here) == home / "mparchive.toml"
    (here / "mparchive.toml").touch()
    assert find_config({}, home, here) == here / "mparchive.toml"
    with pytest.raises(ConfigError, match="there is no such file"):
        find_config({"MPARCHIVE_CONFIG": str(named)}, home, here)
    named.touch()
    assert find_config({"MPARCHIVE_CONFIG": str(named)}, home, here) == named


def test_a_folder_or_a_missing_file_is_no_configuration(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(ConfigError, match=r"cannot be read: (is a directory|no such file)"):
            load_config(path)
