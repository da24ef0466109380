"""The titles a weekly digest lists, and which of them the archive does not hold."""

import json
from datetime import date
from pathlib import Path

import pytest

from archive.domain.weekly_digest import Title, Titles, WeeklyDigest, normalised, titles_in

DAY = date(2026, 3, 1)
TEXT = (
    "\r一周要闻\r概览\r\r·合成产业大会在云屿市开幕，多项虚构成果发布\r\r·第三批虚构“专精特新”名单公示"
    "·合成机器人租赁联盟成立\r\r要 闻 活 动\r01&nbsp;合成产业大会在云屿市开幕，多项虚构成果发布\r\r"
    "3月1日，2026合成大会举行。\r【相关链接】\r\r02&nbsp;第三批虚构“专精特新”名单公示\r\r"
    "03&nbsp;合成机器人租赁联盟成立\r12月政策活动月历\r"
)
TITLES = [
    "合成产业大会在云屿市开幕，多项虚构成果发布",
    "第三批虚构“专精特新”名单公示",
    "合成机器人租赁联盟成立",
]


def digest(text: str = TEXT) -> WeeklyDigest:
    return WeeklyDigest("2650000100_2", "合成一周要闻", DAY, text)


def test_a_digests_numbered_headings_are_its_titles() -> None:
    assert titles_in(TEXT) == TITLES


def test_a_digest_without_numbers_is_read_by_its_overview() -> None:
    overview = TEXT.partition("要 闻 活 动")[0]
    assert titles_in(overview) == TITLES


def test_what_is_too_short_for_a_title_is_none_and_characters_of_html_are_what_they_stand_for() -> None:
    assert titles_in("01 政策活动\r02 合成企业A&amp;B签约仪式") == ["合成企业A&B签约仪式"]


def test_a_title_is_held_in_other_punctuation_and_before_a_series_name() -> None:
    archived = [
        Title("合成产业大会在云屿市开幕,多项虚构成果发布", DAY),
        Title("第三批虚构 专精特新 名单公示｜产业创新动态", DAY),
    ]
    assert Titles(archived).missing(digest()) == [TITLES[2]]


def test_a_post_of_another_time_is_not_the_one_a_digest_lists() -> None:
    archived = [Title(title, date(2025, 3, 1)) for title in TITLES]
    assert Titles(archived).missing(digest()) == TITLES


def test_titles_are_compared_by_letters_and_digits() -> None:
    assert normalised("“AI”＋制造 ： １００案例&nbsp;") == normalised("ai+制造 100案例")


@pytest.mark.parametrize(("before", "expected"), [("2025-11-09", 0), ("2025-11-02", 0), ("2025-10-26", 4)])
def test_the_real_digests_titles_are_found_in_the_real_dump(shared: Path, before: str, expected: int) -> None:
    """The oldest lists four posts of the days before the dump begins; the others are archived to the last."""
    records = json.loads((shared / "dump/shanghai-jxw-20251111.json").read_text(encoding="utf-8"))
    archived = [Title(one["标题title"], date.fromisoformat(one["时间time"])) for one in records]
    (real,) = [
        WeeklyDigest("x", one["标题title"], date.fromisoformat(one["时间time"]), one["finalContent"])
        for one in records
        if "一周要闻" in one["标题title"] and 0 < _days(one["时间time"], before) <= 1
    ]
    assert len(titles_in(real.text)) >= 11
    assert len(Titles(archived).missing(real)) == expected


def _days(day: str, before: str) -> int:
    return (date.fromisoformat(before) - date.fromisoformat(day)).days
