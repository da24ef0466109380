"""The configuration file: where it is, what it may say, and which secrets it refuses."""

from datetime import time
from pathlib import Path

import pytest

from crawler.discovery.config import AccountConfig
from scheduler.config import Config, ConfigError, find_config, load_config, quiet_between

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


def test_every_key_is_read(tmp_path: Path) -> None:
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
    ("text", "form"),
    [
        (ACCOUNT + BACKEND, "credentials_file, credentials_env"),
        (ACCOUNT + "[alarms]\nurls = 'dingtalk://hush-hush'\n", "urls_file, urls_env"),
        (ACCOUNT + "official = { secret = 'hush-hush' }\n", "secret_file, secret_env"),
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


def test_the_file_is_searched_where_the_variable_says_then_here_then_at_home(tmp_path: Path) -> None:
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


def test_a_folder_of_backups_is_one_beside_the_file_and_an_address_stays(tmp_path: Path) -> None:
    config = load(tmp_path, ACCOUNT + '[backup]\nto = "backups"\nkeep = "7d,4w"\n')
    assert config.backup
    assert (config.backup.to, config.backup.at) == (str(tmp_path / "backups"), "03:30")
    config = load(tmp_path, ACCOUNT + '[backup]\nto = "s3://bucket/posts"\nevery_hours = 6\n')
    assert config.backup
    assert config.backup.to == "s3://bucket/posts"
