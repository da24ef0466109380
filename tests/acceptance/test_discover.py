"""`mparchive discover`: the sources of an account against the stand-in, well and badly."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.discovery.config import AccountConfig
from tests.acceptance.command import Command, Done
from tests.crawler.loopback import Loopback, Reply
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.discovery import ACCESS_TOKEN, APPID, COOKIE, SECRET, TOKEN
from tests.standin.week import ALBUM, WEEK

MARK = "marker-0c4d-secret"
LONG = "https://rss.example/feeds/long.rss"
SHORT = "http://reader.example:4000/feeds/short.json?links=short&k={env:SYNTHETIC_FEED_KEY}"
IN_ALBUM = [post for post in WEEK if post.album == ALBUM]


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin(week=True) as running:
        yield running


@pytest.fixture
def mparchive(
    mparchive_at: Callable[[str], Command], standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """Return the command, with every source of an account configured and its secrets in the environment."""
    secrets = {"LOGIN": json.dumps({"cookie": COOKIE, "token": TOKEN}), "APPSECRET": SECRET, "FEED_KEY": MARK}
    for name, value in secrets.items():
        monkeypatch.setenv(f"SYNTHETIC_{name}", value)
    monkeypatch.setenv("MPARCHIVE_DOWNLOAD_TIMEOUT", "2")  # seconds; a source that hangs is tried twice
    command = mparchive_at(standin.origin)
    configure(command)
    standin.forget()
    yield command
    for source in ("album", "backend", "official", "feed"):
        standin.source(source, None)


def configure(command: Command, feeds: tuple[str, ...] = (LONG, SHORT)) -> None:
    (command.home / "mparchive.toml").write_text(
        f"""
        [[accounts]]
        biz = "{COMMISSION.biz}"
        name = "{COMMISSION.nickname}"
        albums = ["{ALBUM}"]
        feeds = {json.dumps(feeds)}
        own_backend = {{ credentials_env = "SYNTHETIC_LOGIN" }}
        official = {{ appid = "{APPID}", secret_env = "SYNTHETIC_APPSECRET" }}
        """,
        encoding="utf-8",
    )


def told(done: Done) -> dict[str, dict[str, Any]]:
    """Return the result of each source, by its kind; feeds by long or short."""
    ((account,), marks) = done.json, re.compile(r"feed:.*/(\w+)\.\w+.*|([a-z_]+).*")
    return {
        (found[1] or found[2]): one for one in account["sources"] if (found := marks.fullmatch(one["source"]))
    }


def states(done: Done) -> dict[str, str]:
    return {name: one["state"] for name, one in told(done).items()}


def test_every_source_is_tried_and_a_post_of_several_is_one_post(
    mparchive: Command, standin: Standin
) -> None:
    done = mparchive("discover", "--json")
    assert done.code == 0, done.err
    said = told(done)
    assert states(done) == {
        "album": "ok", "own_backend": "ok", "official": "ok", "long": "ok", "short": "ok",
        "neighbours": "unchanged",
    }  # fmt: skip
    assert {name: one["seen"] for name, one in said.items() if one["seen"]} == {
        "album": len(IN_ALBUM), **dict.fromkeys(("own_backend", "official", "long", "short"), len(WEEK)),
    }  # fmt: skip
    assert said["long"]["newest"] == max(post.created for post in WEEK).isoformat()
    by_form = dict(mparchive.rows("SELECT aid IS NULL, count(*) FROM addresses GROUP BY 1"))
    assert by_form == {False: len(WEEK), True: len(WEEK)}
    assert sum(one["new"] for one in said.values()) == 2 * len(WEEK)
    bare = "SELECT count(*) FROM addresses WHERE aid IS NOT NULL AND url NOT LIKE '%chksm=%'"
    assert mparchive.number(bare) == 0
    sighted = "SELECT count(DISTINCT source) FROM sightings s JOIN addresses a ON a.id = address_id"
    assert mparchive.number(f"{sighted} WHERE aid = '{IN_ALBUM[0].aid}'") == 4
    again(mparchive, standin)
    fetched(mparchive, standin)


def again(mparchive: Command, standin: Standin) -> None:
    """Check that the next query asks only for what may be new."""
    first = standin.stats()["total"]
    standin.forget()
    done = mparchive("discover")
    assert done.code == 0
    text = " ".join(done.out.decode().split())
    assert "feed:rss.example/feeds/long.rss unchanged 0 0" in text
    assert f"album:{ALBUM} ok {len(IN_ALBUM)} 0 2025-11-23 00:01" in text
    assert standin.stats()["total"] < first


def fetched(mparchive: Command, standin: Standin) -> None:
    """Each post is asked for once, though it has two addresses."""
    standin.forget()
    one_by_one = ("-s", "SCRAPER_SLOT_MAX_ACTIVE_SIZE=1")  # no page before the last is stored
    output = crawl(mparchive, "posts", *one_by_one, MPARCHIVE_CHROMIUM="/nowhere/chromium")
    assert '"verdict": "done"' in output
    paths = standin.stats()["paths"]
    assert sum(paths.values()) == len(WEEK), paths
    assert all(path.startswith("/s/") for path in paths)
    assert mparchive.number("SELECT count(*) FROM posts") == len(WEEK)
    assert mparchive.number("SELECT count(*) FROM posts WHERE url LIKE '%chksm=%'") == len(WEEK)
    waiting = mparchive.rows("SELECT last_outcome FROM addresses WHERE next_fetch_at IS NOT NULL")
    assert waiting == [("not_drawn",)], "only the post whose text a browser would draw"


STRUCK: list[tuple[dict[str, str], dict[str, str], dict[str, str]]] = [
    (
        {"album": "hang", "backend": "login", "official": "ip", "feed": "html"},
        {"album": "unreachable", "own_backend": "login_expired", "official": "refused",
         "long": "not_understood"},
        {"album": "no answer within 2 s", "own_backend": "login page", "official": "IP白名单",
         "long": "web page"},
    ),
    (
        {"album": "huge", "backend": "closed", "official": "garbage", "feed": "empty"},
        {"album": "unreachable", "own_backend": "rate_limited", "official": "not_understood",
         "long": "not_understood"},
        {"album": "over 16 MB", "own_backend": "200013"},
    ),
    (
        {"album": "foreign", "backend": "strings", "official": "hang", "feed": "future"},
        {"album": "foreign", "own_backend": "ok", "official": "unreachable", "long": "not_understood"},
        {"album": "another account", "long": "date in the future"},
    ),
    (
        {"album": "verification", "official": "huge", "feed": "garbage"},
        {"album": "verification", "own_backend": "verification", "official": "unreachable",
         "long": "not_understood"},
        {"own_backend": "not checked: mp.weixin.qq.com", "official": "over 16 MB"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("faults", "expected", "words"), STRUCK)
def test_a_source_that_is_struck_says_so_and_the_others_go_on(
    mparchive: Command,
    standin: Standin,
    faults: dict[str, str],
    expected: dict[str, str],
    words: dict[str, str],
) -> None:
    configure(mparchive, feeds=(LONG,))
    for source, fault in faults.items():
        standin.source(source, fault)
    done = mparchive("discover", "--json")
    said = told(done)
    assert states(done) == expected | {"neighbours": "unchanged"}
    for name, text in words.items():
        assert text in said[name]["detail"] + said[name]["advice"]
    good = [name for name, one in said.items() if one["good"]]
    assert all(one["advice"] for name, one in said.items() if name not in good)
    assert done.code == 3
    assert mparchive.number("SELECT count(*) FROM addresses") == len(WEEK) * ("own_backend" in good)
    assert mparchive.number("SELECT count(*) FROM sources WHERE consecutive_failures = 1") == len(said) - len(
        good
    )
    assert "Traceback" not in done.err


def test_after_a_challenge_wechat_is_left_alone_and_the_sources_elsewhere_are_asked(
    mparchive: Command, standin: Standin
) -> None:
    configure(mparchive, feeds=(LONG,))
    standin.source("album", "verification")
    challenged = mparchive("discover", "--json", "--only", "album")
    assert (states(challenged), challenged.code) == ({"album": "verification"}, 5)
    standin.source("album", None)
    standin.forget()
    again = mparchive("discover", "--json")
    assert states(again) == {"official": "ok", "long": "ok", "neighbours": "unchanged"}
    assert (again.code, "nothing is fetched before" in again.err) == (0, True)
    assert not [path for path in standin.stats()["paths"] if path.startswith("/mp/appmsgalbum")]
    refused = mparchive("discover", "--only", "album,own_backend")
    assert (refused.code, refused.out) == (5, b"")
    assert "all are at WeChat" in refused.err


def test_a_feed_that_moved_is_told_by_the_address_it_moved_to(
    mparchive_at: Callable[[str], Command],
) -> None:
    command = mparchive_at("")
    with Loopback() as server:
        server.serve("/old", Reply(status=302, headers={"Location": "/new?k=1"}))
        configure(command, feeds=(f"{server.url}/old",))
        done = command("discover", "--json", "--only", "feed")
        assert f"it has moved to {server.url}/new; configure that address" in told(done)["feed"]["detail"]
        assert server.paths == ["/old"]


def test_where_no_source_is_good_the_exit_code_says_it(mparchive: Command, standin: Standin) -> None:
    standin.source("album", "empty")
    assert mparchive("discover", "--only", "album").code == 4


def test_a_setting_that_is_wrong_is_named(mparchive: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_RETRY_TIMES", "often")
    done = mparchive("discover", "--only", "album")
    assert (done.code, "MPARCHIVE_RETRY_TIMES is 'often'" in done.err) == (2, True)


def test_a_source_that_is_not_there_is_told_with_those_that_are(mparchive: Command) -> None:
    done = mparchive("discover", "--only", "feed:none")
    assert done.code == 2
    assert "has no source feed:none; it has album:" in done.err
    done = mparchive("discover", "--account", "合成别号")
    assert (done.code, COMMISSION.nickname in done.err) == (2, True)


def test_no_secret_is_in_anything_that_is_written(
    mparchive: Command, standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every secret of every source, in every log line at DEBUG, in the tables and in a cassette."""
    monkeypatch.setenv("MPARCHIVE_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("MPARCHIVE_CASSETTE", str(tmp_path / "tape.yaml"))
    monkeypatch.setenv("MPARCHIVE_CASSETTE_MODE", "record")
    written = [crawled(mparchive)]
    for source in ("backend", "official", "feed", "album"):
        standin.source(source, "hang" if source != "official" else "garbage")
    written.append(crawled(mparchive))
    assert "Retrying" in written[1]
    written.append((tmp_path / "tape.yaml").read_text(encoding="utf-8"))
    assert "getalbum" in written[2]
    written += [str(mparchive.rows(f"SELECT * FROM {table}")) for table in everything(mparchive)]
    found = {
        secret: text[max(0, text.index(secret) - 200) :][:400]
        for secret in (MARK, COOKIE, COOKIE.rpartition("=")[2], TOKEN, SECRET, ACCESS_TOKEN)
        for text in written
        if secret in text
    }
    assert found == {}


def everything(mparchive: Command) -> list[str]:
    rows = mparchive.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    return [name for (name,) in rows]


def crawled(mparchive: Command) -> str:
    """All that a crawl writes, as its own process does."""
    values = tomllib.loads((mparchive.home / "mparchive.toml").read_text(encoding="utf-8"))
    account = AccountConfig.model_validate(values["accounts"][0]).model_dump_json(exclude_defaults=True)
    return crawl(mparchive, "discover", "-a", f"account={account}")


def crawl(mparchive: Command, *arguments: str, **environment: str) -> str:
    """All that a spider writes."""
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", "crawl", *arguments],
        env=mparchive.environment | {"SCRAPY_SETTINGS_MODULE": "crawler.settings"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
        check=False,
    )
    assert done.returncode in (0, 3)
    return done.stdout.decode()
