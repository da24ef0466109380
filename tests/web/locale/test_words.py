"""Both languages say everything: each name twice, with the same values in it, and none that nobody says."""

import re
import string
from importlib import resources

import pytest

from archive.audit.gap import GapKind
from archive.domain.outcomes import Kind, MediumType, Outcome, Relation
from archive.integrity.checks import CHECK_NAMES
from web.locale.words import WORDS, word
from web.pages.render import chosen_language

_VALUES = string.Formatter()
_PAGES = resources.files("web.pages")
_CHINESE = re.compile("[一-鿿]")
_SAME = {"hash"}  # a name that both languages share
_BY_VALUE = ("kind.", "outcome.", "relation.", "medium.", "gap.", "check.", "error_")


def values_of(text: str) -> set[str]:
    """The names of the values in a text."""
    return {name for _, name, _, _ in _VALUES.parse(text) if name}


def test_each_is_said_in_both_languages_with_the_same_values() -> None:
    for name, (english, chinese) in WORDS.items():
        assert english, name
        assert not _CHINESE.search(english.replace("阅读原文", "")), name
        assert bool(_CHINESE.search(chinese)) is (name not in _SAME), name
        assert values_of(english) == values_of(chinese), name


def test_whatever_there_is_has_a_word() -> None:
    for prefix, kinds in (
        ("kind", Kind),
        ("outcome", Outcome),
        ("relation", Relation),
        ("medium", MediumType),
        ("gap", GapKind),
        ("check", CHECK_NAMES),
    ):
        assert {f"{prefix}.{one}" for one in kinds} <= set(WORDS)


def test_no_word_is_there_that_nobody_says() -> None:
    written = "".join(
        file.read_text(encoding="utf-8")
        for folder in (_PAGES, _PAGES / "templates")
        for file in folder.iterdir()
        if file.name.endswith((".py", ".html")) and file.name != "words.py"
    )
    unsaid = {name for name in WORDS if not name.startswith(_BY_VALUE) and f'"{name}"' not in written}
    assert unsaid == set()


def test_what_a_reader_writes_in_a_value_is_no_place_for_another() -> None:
    assert word("en", "calendar_of", name="{0.__class__}") == "Calendar: {0.__class__}"


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "zh-TW,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-GB, zh;q=0.9", "en"),
        (None, "fr, zh;q=0.2, en;q=0.1", "zh"),
        (None, "zh;q=0, en;q=0.1", "en"),
        (None, "zh;q=nan, en;q=2, *", "en"),
        (None, "," * 5000, "en"),
        ("zh", "en", "zh"),
        ("en", "zh", "en"),
        ("ZH<script>", "zh", "zh"),
    ],
)
def test_the_language_asked_for_comes_first_then_what_the_browser_prefers(
    asked: str | None, accepted: str, language: str
) -> None:
    assert chosen_language(asked, accepted) == language
