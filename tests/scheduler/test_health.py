"""What counts as wrong, and what does not."""

from datetime import UTC, datetime, timedelta

import pytest

from archive.domain.messages import Message
from archive.domain.monitoring import AnnouncedPost, HealthProblem, SourceStatus, unwatched
from archive.domain.outcomes import BLOCKING
from archive.system.catalogues import LANGUAGES, template
from crawler.discovery.source import State
from crawler.discovery.sources.weread import LOGIN_PROBLEMS
from scheduler.health import (
    AccountHealth,
    BlockedEgress,
    Bounds,
    HealthSnapshot,
    LoginHealth,
    health_problems,
    longest_silence,
)

NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAILY = [NOW - n * DAY for n in range(60, 0, -1)]
# Workdays only: the longest usual gap is a weekend.
WORKDAYS = [day for day in (NOW - n * DAY for n in range(120, 0, -1)) if day.weekday() < 5]


def source(name: str, state: State, failures: int = 0, **more: object) -> SourceStatus:
    given = {"state": state, "failures": failures, "last_tried_at": NOW - HOUR, **more}
    return SourceStatus("biz", "合成", name, **given)  # type: ignore[arg-type]


def found(
    *, days: list[datetime] = DAILY, last: datetime | None = None, sources: object = ()
) -> list[HealthProblem]:
    account = AccountHealth("biz", "合成", last or days[-1], days, sources)  # type: ignore[arg-type]
    return health_problems(HealthSnapshot(accounts=[account]), Bounds(), NOW)


def keys(found: list[HealthProblem]) -> list[str]:
    return [one.key for one in found]


def test_all_being_well_nothing_is_found() -> None:
    assert found(sources=[source("album:1", State.OK), source("feed:x", State.UNCHANGED)]) == []


def test_silence_is_held_against_the_accounts_own_history() -> None:
    assert longest_silence(DAILY, NOW, 36 * HOUR) == 3 * DAY
    assert longest_silence(WORKDAYS, NOW, 36 * HOUR) == 9 * DAY
    assert longest_silence(DAILY, NOW, 200 * HOUR) == 200 * HOUR


def test_one_holiday_in_the_history_does_not_blunt_the_alarm() -> None:
    holiday = [day for day in DAILY if not NOW - 40 * DAY < day < NOW - 30 * DAY]
    assert longest_silence(holiday, NOW, 36 * HOUR) == 3 * DAY


def test_an_account_that_was_seldom_seen_is_given_two_weeks() -> None:
    assert longest_silence(DAILY[:4], NOW, 36 * HOUR) == 14 * DAY
    assert longest_silence(DAILY[:4], NOW, 20 * DAY) == 20 * DAY, "unless more was asked for"


def test_how_an_account_was_years_ago_does_not_count() -> None:
    weekly_once = [DAILY[0] - 400 * DAY - n * 7 * DAY for n in range(50, 0, -1)]
    assert longest_silence([*weekly_once, *DAILY], NOW, 36 * HOUR) == 3 * DAY


@pytest.mark.parametrize(("silent", "expected"), [(70 * HOUR, []), (74 * HOUR, ["quiet:biz"])])
def test_an_account_quieter_than_it_ever_was_raises_an_alarm(silent: timedelta, expected: list[str]) -> None:
    days = [day - silent for day in DAILY]
    sources = [source("feed:x", State.UNCHANGED, last_good_at=NOW)]
    assert keys(found(days=days, last=NOW - silent, sources=sources)) == expected


def test_silence_raises_an_alarm_only_once_a_source_was_asked_after_it_was_too_long() -> None:
    silent = 10 * DAY
    days = [day - silent for day in DAILY]

    def quiet(*sources: SourceStatus) -> bool:
        return "quiet:biz" in keys(found(days=days, last=NOW - silent, sources=sources))

    assert not quiet()
    assert not quiet(source("neighbours", State.OK, last_good_at=NOW))
    assert not quiet(source("feed:x", State.UNREACHABLE, failures=9))
    assert not quiet(source("feed:x", State.OK, last_good_at=NOW - 8 * DAY)), "the daemon was off since"
    assert quiet(source("feed:x", State.UNREACHABLE, failures=9, last_good_at=NOW - 6 * DAY))


def test_an_account_without_a_source_that_lists_posts_is_not_watched() -> None:
    told = AccountHealth("biz", "合成", NOW, DAILY, unwatched=unwatched("合成", ["77"]))
    (problem,) = health_problems(HealthSnapshot(accounts=[told]), Bounds(), NOW)
    assert problem.key == "unwatched:biz"
    assert str(problem.message) == "合成 is not watched: no source lists its new posts"
    assert 'albums = ["77"]' in str(problem.remedy)


def test_an_account_of_which_nothing_was_ever_archived_is_silent_since_it_is_watched() -> None:
    def account(since: datetime | None) -> HealthSnapshot:
        sources = [source("feed:x", State.UNCHANGED, last_good_at=NOW)]
        return HealthSnapshot(accounts=[AccountHealth("biz", "合成", since, sources=sources)])

    assert health_problems(account(None), Bounds(), NOW) == []
    assert health_problems(account(NOW - 13 * DAY), Bounds(), NOW) == []
    assert keys(health_problems(account(NOW - 15 * DAY), Bounds(), NOW)) == ["quiet:biz"]


@pytest.mark.parametrize("state", [one for one in State if not one.good and one is not State.VERIFICATION])
def test_a_source_that_is_not_good_is_told_with_its_remedy(state: State) -> None:
    (told,) = found(sources=[source("album:1", State.OK), source("feed:x", state, failures=2, detail="why")])
    assert told.key == "source:biz:feed:x"
    assert told.message.code == f"scheduler.health.source.{state}"
    assert "why" in str(told.message)


def test_a_listing_that_was_full_before_and_is_empty_now_says_so() -> None:
    (told,) = found(
        sources=[source("feed:x", State.OK), source("album:1", State.EMPTY, newest_at=NOW - 9 * DAY)]
    )
    assert told.message.code == "scheduler.health.source.emptied"


def test_what_may_be_over_at_the_next_try_is_not_told_at_the_first() -> None:
    sources = [source("feed:x", State.OK), source("album:1", State.UNREACHABLE, failures=1)]
    assert found(sources=sources) == []


def test_a_challenge_is_told_once_of_the_line_and_not_of_each_source() -> None:
    blocked = BlockedEgress("home", "verification", NOW + HOUR, 2)
    challenged = source("album:1", State.VERIFICATION, failures=3)
    account = AccountHealth("biz", "合成", NOW, DAILY, [challenged, source("feed:x", State.OK)])
    snapshot = HealthSnapshot(accounts=[account], blocked=[blocked])
    assert keys(health_problems(snapshot, Bounds(), NOW)) == ["verification:home"]


def test_an_account_none_of_whose_sources_works_is_blind_whatever_its_own_posts_lead_to() -> None:
    sources = [source("neighbours", State.OK), source("own_backend", State.LOGIN_EXPIRED)]
    assert keys(found(sources=sources)) == ["source:biz:own_backend", "blind:biz"]


def test_a_source_that_is_not_asked_any_more_is_nobodys_trouble() -> None:
    gone = source("feed:old", State.UNREACHABLE, failures=9, last_tried_at=NOW - 4 * DAY)
    assert found(sources=[source("album:1", State.OK), gone]) == []


def test_a_disk_jobs_a_configuration_alarms_and_an_inbox_that_fail_are_found() -> None:
    snapshot = HealthSnapshot(
        free={"/data": 5 * 2**20, "/media": 9 * 2**40},
        failed_jobs={"fetch": 3},
        config_problem=Message.load("mparchive.toml, line 3: it is not TOML"),
        alarm_problem=Message.load("the environment variable ALARMS is not set"),
        inbox_problem=Message.load("the inbox /inbox cannot be read: no such file or directory"),
    )
    assert keys(health_problems(snapshot, Bounds(), NOW)) == [
        "disk:/data",
        "jobs:fetch",
        "config",
        "alarms",
        "inbox",
    ]


def test_every_problem_and_its_remedy_have_words_in_both_languages() -> None:
    bad = [one for one in State if not one.good and one is not State.VERIFICATION]
    codes = {f"scheduler.health.source.{one}" for one in bad} | {"scheduler.health.source.emptied"}
    codes |= {f"scheduler.health.blocked.{reason}" for reason in BLOCKING}
    codes |= {
        f"scheduler.health.{one}" for one in ("quiet", "blind", "disk", "jobs", "config", "alarms", "inbox")
    }
    wanted = [(code + end, language) for code in codes for end in ("", ".remedy") for language in LANGUAGES]
    assert [one for one in wanted if template(*one) is None] == []


def test_a_problem_is_said_in_both_languages() -> None:
    good = [source("feed:x", State.OK, last_good_at=NOW)]
    (quiet,) = found(days=[day - 74 * HOUR for day in DAILY], last=NOW - 74 * HOUR, sources=good)
    assert str(quiet.message).startswith("合成 has published nothing since 2025-11-17 10:00, longer than")
    assert quiet.message.text("zh") == "合成 自 2025-11-17 10:00 起未发布文章，已超出通常的最长间隔（3.0 天）"


def test_a_login_that_several_accounts_share_is_one_problem() -> None:
    states = (State.LOGIN_EXPIRED, State.RATE_LIMITED, State.REFUSED, State.NOT_CONFIGURED)
    accounts = [
        AccountHealth(
            f"biz{n}", "合成", NOW, DAILY, [source("weread", states[n % 4], 3), source("list", State.OK)]
        )
        for n in range(50)
    ]
    login = LoginHealth("default", "captcha", NOW + 2 * HOUR)
    snapshot = HealthSnapshot(accounts=accounts, logins=[login, LoginHealth("other")])
    (problem,) = health_problems(snapshot, Bounds(), NOW)
    assert problem.key == "login:weread:default"
    assert "captcha" in str(problem.message)
    assert "rests until 2025-11-20 14:00" in str(problem.message)
    assert "solve the captcha yourself" in str(problem.remedy)


def test_what_is_wrong_with_the_list_of_one_account_is_that_accounts_problem() -> None:
    assert keys(found(sources=[source("weread", State.FOREIGN), source("list", State.OK)])) == [
        "source:biz:weread"
    ]


def test_every_problem_of_a_login_has_words_in_both_languages() -> None:
    problems = [name for _, name in LOGIN_PROBLEMS.values()] + [
        "captcha",
        "unauthorized",
        "not_signed_in",
        "newest_only",
    ]
    for problem in problems:
        for language in LANGUAGES:
            assert template(f"scheduler.health.login.{problem}", language)
            assert template(f"scheduler.health.login.{problem}.remedy", language)


def announced(*, seen: timedelta, published: timedelta | None = None) -> list[str]:
    post = AnnouncedPost("weread_agent", "合成", NOW - published if published else None, NOW - seen)
    account = AccountHealth("biz", "合成", NOW, DAILY, [source("list", State.OK)], announced=[post])
    return keys(health_problems(HealthSnapshot(accounts=[account]), Bounds(), NOW))


def test_a_post_known_by_title_only_is_reported_when_no_source_brings_it() -> None:
    assert announced(seen=HOUR) == []
    assert announced(seen=5 * HOUR) == ["announced:biz"]
    assert announced(seen=5 * HOUR, published=3 * DAY) == ["announced:biz"]
    assert announced(seen=5 * HOUR, published=90 * DAY) == [], "the audit names old ones"
    assert announced(seen=8 * DAY) == []


def test_titles_alone_do_not_make_an_account_seen() -> None:
    sources = [source("weread_agent", State.OK), source("feed:x", State.UNREACHABLE, 3)]
    assert "blind:biz" in keys(found(sources=sources))
