"""The source `weread` by the installed command against the stand-in."""

import json
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from crawler.discovery.weread_login import WeReadLogin
from scheduler.config import load_config
from scheduler.jobs import report
from scheduler.jobs.base import JobContext
from tests.acceptance.command import Command
from tests.acceptance.test_secrets import files_with, leaks
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.week import WEEK
from tests.standin.weread import AGENT_KEY, COOKIES, RENEWED, sign_in
from tests.support.secret_files import put_secret
from tests.web.served import served


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin(week=True) as running:
        yield running


@pytest.fixture
def mparchive(mparchive_at: Callable[[str], Command], standin: Standin) -> Command:
    command = mparchive_at(standin.origin)
    (command.home / "mparchive.toml").write_text(
        f'[[accounts]]\nbiz = "{COMMISSION.biz}"\nname = "{COMMISSION.nickname}"\nweread = true\n',
        encoding="utf-8",
    )
    return command


def state(command: Command) -> tuple[str, str]:
    """Check the source and return its state with its detail and advice, in English."""
    done = command("discover", "--only", "weread", "--json")
    ((account,),) = (done.json,)
    (source,) = account["sources"]
    words = f"{source['detail']} {source['advice']}"
    assert not any(secret in f"{done.out!r}{done.err!r}" for secret in (*COOKIES.values(), RENEWED))
    return source["state"], words


def test_the_list_gives_short_links_once_and_the_next_look_nothing_new(
    mparchive: Command, standin: Standin
) -> None:
    sign_in(mparchive.home)
    assert state(mparchive)[0] == "ok"
    urls = {url for (url,) in mparchive.rows("SELECT url FROM addresses")}
    assert urls == {post.short_url for post in WEEK if post.account == COMMISSION}
    standin.forget()
    assert state(mparchive)[0] == "unchanged"
    assert standin.stats()["total"] == 1


def test_signing_in_makes_the_reader_page_the_way(mparchive: Command, standin: Standin) -> None:
    folder = mparchive.home / "weread" / "default"

    def scan() -> None:
        while not (folder / "code.png").exists():
            ended.wait(0.2)
            if ended.is_set():
                return
        standin.weread("scan")

    ended = threading.Event()
    person = threading.Thread(target=scan)
    person.start()
    try:
        done = mparchive("login", "weread", "--wait", "60")
    finally:
        ended.set()
        person.join()
    assert done.code == 0, done.err
    assert "█▀▀▀▀▀█" in done.out.decode()
    assert "your own account's risk" in done.err
    assert not (folder / "code.png").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    standin.source("weread", "signature")
    assert state(mparchive)[0] == "ok"
    assert WeReadLogin(mparchive.home).record().way == "reader"


def test_a_code_that_nobody_scans_ends_with_one_sentence(mparchive: Command) -> None:
    done = mparchive("login", "weread", "--wait", "10")
    assert done.code == 4
    assert done.err.splitlines()[-1].startswith("nobody scanned the code within 10 s")
    assert state(mparchive)[0] == "not_configured"


def test_another_service_or_name_is_refused(mparchive: Command) -> None:
    assert mparchive("login", "nowhere").code == 2
    done = mparchive("login", "weread", "--name", "../x")
    assert (done.code, "is no name of a login" in done.err) == (2, True)


def titles_only(mparchive: Command) -> list[str]:
    """Return the titles that the audit lists as known without an address."""
    gaps = mparchive("audit", "--json").json
    found = gaps if isinstance(gaps, list) else gaps["gaps"]
    return [one["title"] for one in found if one["code"] == "archive.audit.title_only"]


def test_faults_have_states_with_remedies_and_titles_are_filled_later(
    mparchive: Command, standin: Standin
) -> None:
    put_secret(mparchive.home / "key", AGENT_KEY)
    with (mparchive.home / "mparchive.toml").open("a", encoding="utf-8") as file:
        file.write('weread_agent = { key_file = "key" }\n')
    done = mparchive("discover", "--only", "weread,weread_agent", "--json")
    weread, agent = done.json[0]["sources"]
    assert (weread["state"], "mparchive login weread" in weread["advice"]) == ("not_configured", True)
    assert (agent["state"], agent["seen"]) == ("ok", 0)
    own = {post.shown_title for post in WEEK if post.account == COMMISSION}
    assert set(titles_only(mparchive)) == own
    sign_in(mparchive.home)
    standin.source("weread", "signature")
    newest, words = state(mparchive)
    assert (newest, "of several posts between two looks the others are missed" in words) == (
        "newest_only",
        True,
    )
    assert len(set(titles_only(mparchive))) == len(own) - 1
    standin.source("weread", "expired")
    expired, words = state(mparchive)
    assert (expired, "run `mparchive login weread`" in words) == ("login_expired", True)
    standin.source("weread", None)
    sign_in(mparchive.home)
    assert state(mparchive)[0] == "ok"
    assert titles_only(mparchive) == []


def command_lines(stop: threading.Event) -> set[bytes]:
    """Return the command lines of all processes while something runs."""
    found: set[bytes] = set()
    while not stop.wait(0.05):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                found.add(path.read_bytes())
    return found


def with_secrets(mparchive: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure the login and the key, and have everything logged and recorded that is."""
    put_secret(mparchive.home / "key", AGENT_KEY)
    with (mparchive.home / "mparchive.toml").open("a", encoding="utf-8") as file:
        file.write('weread_agent = { key_file = "key" }\n')
    monkeypatch.setenv("MPARCHIVE_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("MPARCHIVE_CASSETTE", str(tmp_path / "cassette.yaml"))
    monkeypatch.setenv("MPARCHIVE_CASSETTE_MODE", "record")
    monkeypatch.setenv("MPARCHIVE_HOME", str(mparchive.home))  # for what runs in this process


def test_cookies_signatures_and_keys_are_nowhere(
    mparchive: Command, standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secrets(mparchive, tmp_path, monkeypatch)
    login = sign_in(mparchive.home)
    login.prepare()
    stop = threading.Event()
    outputs: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        lines = pool.submit(command_lines, stop)
        for step in (
            lambda: None,
            lambda: leave_profile(login, standin),
            lambda: standin.source("weread", "captcha"),
        ):
            step()
            done = mparchive("discover", "--only", "weread,weread_agent", "--json")
            outputs += [done.err, done.out.decode()]
        stop.set()
        outputs += [line.decode("utf-8", "replace") for line in lines.result()]
    ways = [one for one in outputs if '"weread"' in one]
    assert [json.loads(one)[0]["sources"][0]["state"] for one in ways] == ["ok", "unchanged", "rate_limited"]
    assert login.cookies()["wr_skey"] == RENEWED
    settings = ArchiveSettings(database_url=mparchive.database_url, home=mparchive.home)
    with open_archive(settings) as engine:
        context = JobContext(engine, "home", threading.Event())
        report.run_report(context, load_config(mparchive.home / "mparchive.toml"))
        with served(engine) as web:
            outputs += [
                web.ask("GET", path).body.decode() for path in ("/health", "/api/v1/accounts", "/metrics")
            ]
    assert ("login", "weread:default") in mparchive.rows("SELECT kind, subject FROM incidents")
    outputs += [mparchive("audit", "--json").out.decode(), mparchive("config", "show").out.decode()]
    out = tmp_path / "out"
    assert leaks(mparchive, outputs, out, AGENT_KEY) == []
    for secret in (*COOKIES.values(), RENEWED, "wrpa"):
        assert files_with(out, secret) + [one for one in outputs if secret in one] == [], secret
    assert files_with(tmp_path / "cassette.yaml", "wr_") == []


def leave_profile(login: WeReadLogin, standin: Standin) -> None:
    """Take the profile away, and let the session time out: the list by plain HTTP renews it."""
    login.profile.rename(login.folder / "aside")
    standin.weread("end_session")
