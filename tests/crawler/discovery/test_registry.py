import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from archive.domain.messages import Message
from crawler.discovery.config import AccountConfig
from crawler.discovery.registry import given_at, sources_of
from crawler.discovery.source import Reply, State
from crawler.discovery.sources.archived_links import Neighbourhood
from tests.crawler.discovery.driving import BIZ, NOW, drive
from tests.support.secret_files import put_secret

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"


def account(**more: object) -> AccountConfig:
    return AccountConfig.model_validate({"biz": BIZ, "name": "合成云屿经信"} | more)


def names(config: AccountConfig, around: Neighbourhood | None = None) -> list[str]:
    return [source.name for source in sources_of(config, around)]


def test_each_configured_place_is_a_source() -> None:
    config = account(
        albums=["11", "22"],
        feeds=["https://rss.example/a.xml", "http://reader:4000/feeds/all.atom", "https://rss.example/a.xml"],
        own_backend={"credentials_env": "LOGIN"},
        official={"appid": "wx" + "0" * 16, "secret_env": "APPSECRET"},
        addresses_file="/nowhere/list.txt",
        command=["synthetic"],
    )
    assert names(config) == [
        "album:11", "album:22", "feed:rss.example/a.xml", "feed:reader:4000/feeds/all.atom",
        "own_backend", "official", "list", "command", "neighbours",
    ]  # fmt: skip


def test_albums_met_in_posts_are_sources_when_they_are_to_be_followed() -> None:
    around = Neighbourhood(albums=("33", "11"))
    assert names(account(albums=["11"], follow_albums=False), around) == ["album:11", "neighbours"]
    assert names(account(albums=["11"]), around) == ["album:11", "album:33", "neighbours"]


def test_what_is_missing_is_said_by_the_source_that_misses_it() -> None:
    config = account(
        feeds=["https://rss.example/a.xml?k={env:SYNTHETIC_UNSET}"],
        own_backend={"credentials_env": "SYNTHETIC_UNSET"},
        official={"appid": "wx" + "0" * 16, "secret_file": "/nowhere/secret"},
        addresses_file="/nowhere/list.txt",
        command=["/nowhere/synthetic"],
    )
    found = {source.name: drive(source) for source in sources_of(config)}
    neighbours = found.pop("neighbours")
    assert {answer.state for answer, _ in found.values()} == {State.NOT_CONFIGURED}
    assert not any(asked for _, asked in found.values())
    assert neighbours[0].state is State.UNCHANGED
    assert all("SYNTHETIC_UNSET" in str(a.detail) or "/nowhere/" in str(a.detail) for a, _ in found.values())


def test_the_list_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    config = account(addresses_file=str(path))
    path.write_text(f"\ufeff{SHORT}\n", encoding="utf-8")
    assert [seen.url for seen in drive(sources_of(config)[0])[0].posts] == [SHORT]
    path.write_text(f"{SHORT}X\n{SHORT}\n", encoding="utf-8")
    assert len(drive(sources_of(config)[0])[0].posts) == 2


def test_the_age_of_a_login_is_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    put_secret(path, json.dumps({"cookie": "data_ticket=x", "token": "1"}))
    written = NOW - timedelta(days=3, hours=12)
    os.utime(path, (written.timestamp(),) * 2)
    (source, _) = sources_of(account(own_backend={"credentials_file": str(path)}))
    found, _ = drive(source, [Reply(error=Message("crawler.fetch.unknown_host"))])
    assert "ends in about 12 h" in str(found.advice)


@pytest.mark.parametrize("text", ["", "cookie: x"])
def test_a_file_that_holds_no_login_is_said_to(tmp_path: Path, text: str) -> None:
    path = tmp_path / "login"
    put_secret(path, text)
    (source, _) = sources_of(account(own_backend={"credentials_file": str(path)}))
    assert drive(source)[0].state is State.NOT_CONFIGURED


def test_what_a_source_waits_for_is_given_when_its_file_is_there(tmp_path: Path) -> None:
    config = account(
        own_backend={"credentials_file": tmp_path / "login"},
        official={"appid": "wx" + "0" * 16, "secret_env": "APPSECRET"},
        addresses_file=tmp_path / "list.txt",
    )
    assert given_at(config) == {}
    put_secret(tmp_path / "copied", "x")
    os.utime(tmp_path / "copied", (1, 1))
    (tmp_path / "copied").rename(tmp_path / "login")
    assert given_at(config).keys() == {"own_backend"}
    assert given_at(config)["own_backend"].year > 2000
