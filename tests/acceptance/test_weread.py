"""The source `weread` by the installed command against the stand-in."""

from collections.abc import Callable, Iterator

import pytest

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
