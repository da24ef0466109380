"""The source `weread` by the installed command against the stand-in."""

import stat
import threading
from collections.abc import Callable, Iterator

import pytest

from crawler.discovery.weread_login import WeReadLogin
from tests.acceptance.command import Command
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.week import WEEK
from tests.standin.weread import COOKIES, RENEWED, sign_in


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
