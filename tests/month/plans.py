"""The accounts and faults of the simulated months of decisions."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from crawler.discovery.config import AccountConfig
from tests.month.decisions import DAY, FEED_HOST, HOUR, MINUTE, Fault, Subject, World, made_push
from tests.standin.account import COMMISSION, NEIGHBOUR, Account, Post, at

START = at("2025-10-06 07:00")  # a Monday
HABIT_DAYS = 84  # of pushes that are archived before the start
ALBUMS = {COMMISSION.bizuin: "3900000000000000011", NEIGHBOUR.bizuin: "3900000000000000012"}

# Hours after seven in the morning at which the regular account pushes, and how likely on a workday.
SLOTS = ((1.5, 0.9), (5.0, 0.45), (10.0, 0.85), (13.0, 0.3))


def regular_pushes(
    account: Account, days: int, album: str, albumed: float, seed: int = 7
) -> list[tuple[datetime, tuple[Post, ...]]]:
    """Return one to four pushes a day at usual hours, and few on weekends."""
    chance = random.Random(seed)
    made = []
    for day in range(-HABIT_DAYS, days):
        slots = SLOTS if (START + day * DAY).weekday() < 5 else ((3.0, 0.35),)
        for hours, likely in slots:
            if chance.random() < likely:
                moment = START + day * DAY + hours * HOUR + chance.randint(-10, 15) * MINUTE
                made.append((moment, chance.choice((1, 1, 2, 3))))
    return _pushes(account, made, album, albumed, chance)


def irregular_pushes(  # noqa: PLR0917 - what an account is like
    account: Account, days: int, album: str, albumed: float, a_day: float, seed: int
) -> list[tuple[datetime, tuple[Post, ...]]]:
    """Return pushes at any hour from eight in the morning to eleven at night."""
    chance = random.Random(seed)
    moment, made = START - HABIT_DAYS * DAY, []
    while moment < START + days * DAY:
        moment += timedelta(days=chance.expovariate(a_day))
        day = moment.astimezone(START.tzinfo).replace(hour=0, minute=0) - 8 * HOUR
        made.append((day + chance.uniform(8, 23) * HOUR, chance.choice((1, 1, 2))))
    return _pushes(
        account, sorted(one for one in made if one[0] < START + days * DAY), album, albumed, chance
    )


def _pushes(
    account: Account, made: list[tuple[datetime, int]], album: str, albumed: float, chance: random.Random
) -> list[tuple[datetime, tuple[Post, ...]]]:
    return [
        (moment, made_push(account, number, posts, moment, album if chance.random() < albumed else ""))
        for number, (moment, posts) in enumerate(made, 1)
    ]


def two_accounts(days: int) -> list[Subject]:
    """Return one account that pushes at usual hours, and an irregular one; they share a login to WeRead."""
    first, second = COMMISSION, NEIGHBOUR
    return [
        Subject(
            first,
            AccountConfig.model_validate(
                {
                    "biz": first.biz,
                    "name": first.nickname,
                    "albums": [ALBUMS[first.bizuin]],
                    "feeds": [f"https://{FEED_HOST}/{first.bizuin}.json"],
                    "weread": True,
                }
            ),
            regular_pushes(first, days, ALBUMS[first.bizuin], 0.4),
            fed=0.9,
        ),
        Subject(
            second,
            AccountConfig.model_validate(
                {
                    "biz": second.biz,
                    "name": second.nickname,
                    "albums": [ALBUMS[second.bizuin]],
                    "weread": True,
                }
            ),
            irregular_pushes(second, days, ALBUMS[second.bizuin], 0.5, 0.5, seed=3),
        ),
    ]


def _fault(
    name: str, day: float, days: float, start: Callable[[World], None], stop: Callable[[World], None]
) -> Fault:
    begin = START + day * DAY
    return Fault(name, begin, begin + days * DAY, start, stop)


def _source(source: str, fault: str, day: float, days: float) -> Fault:
    return _fault(
        f"{source}: {fault}",
        day,
        days,
        lambda world: world.strike(source, fault),
        lambda world: world.strike(source, None),
    )


def _feed(form: str, day: float, days: float) -> Fault:
    def change(to: str) -> Callable[[World], None]:
        return lambda world: setattr(world, "feed_form", to)

    return _fault(f"feed: {form}", day, days, change(form), change("short"))


def _storm(day: float, hours: float) -> Fault:
    return _fault(
        "verification storm",
        day,
        hours / 24,
        lambda world: world.set_storm(True),
        lambda world: world.set_storm(False),
    )


def month_faults() -> list[Fault]:
    """Return the faults of a month, each over before the next begins."""
    return [
        _storm(1.38, 5),
        _expired(3.0, 1.0),
        _source("weread", "captcha", 6.0, 0.5),
        _storm(8.0, 30),
        _source("weread", "closed", 11.0, 2.0),
        _source("weread", "signature", 15.0, 2.0),
        _source("album", "refused", 18.0, 1.0),
        _feed("html", 20.0, 1.0),
        _feed("tilde", 22.0, 1.0),
        _storm(24.4, 12),
        _fault("60 bare links", 26.0, 0.01, lambda world: world.add_bare(60), lambda world: None),
    ]


def _expired(day: float, days: float) -> Fault:
    return _fault(
        "weread: login expired",
        day,
        days,
        lambda world: world.strike("weread", "signed_out"),
        lambda world: world.sign_in_again(),
    )


def fifty_accounts(days: int) -> list[Subject]:
    """Return accounts that push from once in ten days to three times a day; all share one login."""
    subjects = []
    for number in range(50):
        account = Account(3999100000 + number, f"合成账号{number:02}", f"gh_5f0100{number:06}")
        a_day = 0.1 * 30 ** (number / 49)
        album = str(3900000000000001000 + number)
        config = {"biz": account.biz, "name": account.nickname, "albums": [album], "weread": True}
        if number % 4 == 0:
            config["feeds"] = [f"https://{FEED_HOST}/{account.bizuin}.json"]
        pushes = irregular_pushes(account, days, album, 0.3, a_day, seed=number)
        subjects.append(
            Subject(account, AccountConfig.model_validate(config), pushes, fed=0.9 * (number % 4 == 0))
        )
    return subjects


def run_month(
    folder: Path, days: int, subjects: list[Subject], faults: list[Fault], step: timedelta = MINUTE
) -> World:
    """Run a world and return it."""
    world = World(folder, subjects, faults, START)
    world.run(days, step)
    return world
