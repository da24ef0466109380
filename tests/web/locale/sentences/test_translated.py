"""The catalogue as a whole: no template is stale, whatever comes is looked at in bounds."""

import re
import string
from collections.abc import Iterable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from crawler.discovery.source import State
from tests.web.locale.sentences import (
    test_configuration,
    test_failures,
    test_gaps,
    test_health,
    test_readings,
    test_sources,
)
from web.locale.sentences import (
    CATALOGUE,
    MAX_LENGTH,
    MOST_NESTED,
    TEMPLATES,
    configuration,
    failures,
    gaps,
    health,
    readings,
    sources,
    translated,
)
from web.locale.sentences.names import NAMES

_PIECES = sorted({piece for english in CATALOGUE for piece in re.split(r"\{[^{}]*\}", english) if piece})
_TEXTS = st.text(max_size=60) | st.lists(
    st.sampled_from([*_PIECES, *NAMES, "1", "/", "2026-03-02"]), max_size=30
).map("".join)


def used(sentences: Iterable[str]) -> set[str]:
    """The templates that these sentences, and the sentences within them, fit."""
    found: set[str] = set()

    def say(sentence: str) -> str | None:
        if sentence in NAMES:
            return NAMES[sentence]
        for one in TEMPLATES:
            if (said := one.fit(sentence, say)) is not None:
                found.add(one.english.removeprefix("{before:sentence} "))
                return said
        return None

    for sentence in sentences:
        say(sentence)
    return found


def test_no_template_is_there_that_the_program_never_says(db_session: Session, tmp_path: Path) -> None:
    told = [
        *test_health.sentences_of_alarms(db_session),
        *test_gaps.sentences_of_gaps(test_gaps.gaps(db_session)),
        *test_health.reasons(db_session),
        *(state.remedy for state in State),
        *test_sources.details(),
        *test_sources.written(),
        *test_readings.reasons(),
        *test_configuration.mistakes(tmp_path),
        *test_configuration.missing_secrets(tmp_path),
        *test_failures.reasons(),
    ]
    assert sorted(set(CATALOGUE) - used(told)) == []


def test_each_sentence_stands_in_one_catalogue_with_the_same_values_in_both_languages() -> None:
    parts = (
        health.HEALTH, sources.SOURCES, gaps.GAPS, readings.READINGS, configuration.CONFIGURATION,
        failures.FAILURES,
    )  # fmt: skip
    assert sum(map(len, parts)) == len(CATALOGUE)
    for english, chinese in CATALOGUE.items():
        assert _values(english) == _values(chinese), english


def _values(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@given(_TEXTS)
def test_any_text_is_said_in_chinese_or_left_alone(text: str) -> None:
    assert translated(text) is None or translated(text)


def test_what_is_longer_than_any_sentence_of_ours_is_not_looked_at() -> None:
    detail = "合成: own_backend is not_understood (ret 1 {})"
    assert translated(detail.format("x")) is not None
    assert translated(detail.format("x" * MAX_LENGTH)) is None


def test_text_of_any_length_within_a_sentence_is_gone_over_once() -> None:
    for template in TEMPLATES:
        pattern = template.pattern.pattern
        assert pattern.count(".+?") == pattern.count("(?>"), template.english
        assert not re.search(r"(?<!\\)[*+](?!\?)", pattern), template.english


def test_sentences_within_sentences_end_somewhere() -> None:
    remark = " 1 address of no post left out."
    three = "拒绝访问（403）" + "；已略去 1 个不是文章的链接" * 3
    assert translated("it refuses (403)" + remark * 3) == three
    deep = translated("it refuses (403)" + remark * (MOST_NESTED + 3))
    assert deep is not None and "it refuses" in deep


def test_what_looks_like_a_place_for_a_value_is_none() -> None:
    assert translated("{0.__class__} is {free} MB left") is None
    assert translated("/{place}{0} has 5 MB left") == "/{place}{0} 仅剩 5 MB"
