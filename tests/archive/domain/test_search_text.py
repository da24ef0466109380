"""What is searched of a post, and the piece of it that is shown."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.search_text import SEAM, fold, grams_of, is_exact, text_as_shown, words_of
from archive.search.results import LENGTH, excerpt, score

TEXTS = st.text(
    st.sampled_from("abAB工业互联网İΣß &;\r\u3000") | st.characters(exclude_categories=["Cs"]), max_size=300
)
WORDS = st.lists(st.text(st.sampled_from("ab工业互联网iσ "), min_size=1, max_size=5), max_size=4)


@pytest.mark.slow
def test_folding_keeps_every_character_in_its_place() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert len(fold(everything)) == len(everything)
    assert fold(fold(everything)) == fold(everything)


def test_folding_does_not_depend_on_what_stands_around() -> None:
    assert fold("ΣΑΣ.ΑΣ") == "".join(map(fold, "ΣΑΣ.ΑΣ"))


def test_entities_are_decoded_in_texts_and_not_in_titles() -> None:
    assert words_of(" A&amp;B\u3000C ", "x&nbsp;&nbsp;y\r&lt;p&gt;\r&#0;") == f"a&amp;b c{SEAM}x y <p> \ufffd"


@given(TEXTS, TEXTS)
def test_the_seam_is_nowhere_but_between_title_and_text(title: str, text: str) -> None:
    assert words_of(title, text).count(SEAM) == 1


@given(TEXTS, WORDS)
def test_an_excerpt_is_a_piece_of_the_text_with_the_words_marked(text: str, words: list[str]) -> None:
    pieces = excerpt(text, words)
    whole = text_as_shown(text)
    assert len("".join(piece for piece, _ in pieces)) <= LENGTH + len("…") * 4 + sum(map(len, words))
    for piece, is_word in pieces:
        assert piece in whole or piece == "…"
        assert not is_word or fold(piece) in words
    has = [word for word in words if word in fold(whole)]
    assert any(is_word for _, is_word in pieces) == bool(has)


def test_words_far_apart_are_shown_in_a_window_each_and_only_cut_ends_have_dots() -> None:
    pieces = excerpt("甲" + "一" * 200 + "乙" + "二" * 200, ["乙", "甲"])
    line = "".join(piece for piece, _ in pieces)
    assert line.startswith("甲一") and line.endswith("…") and "…一" in line
    assert [piece for piece, is_word in pieces if is_word] == ["甲", "乙"]
    assert excerpt("甲乙丙", ["丁"]) == [("甲乙丙", False)]


def test_of_words_that_begin_at_one_place_the_longest_is_marked() -> None:
    assert excerpt("工业互联网", ["工业", "工业互联"]) == [("工业互联", True), ("网", False)]


@given(st.text(min_size=1, max_size=200))
def test_a_words_runs_are_all_in_it_and_short_words_are_their_own(word: str) -> None:
    grams = grams_of([word])
    assert all(gram in word for gram in grams)
    assert (grams == [word]) == is_exact(word)


def test_the_ends_of_a_long_word_are_among_its_runs() -> None:
    word = "".join(chr(0x4E00 + number) for number in range(1000))
    assert {word[:2], word[-2:]} < set(grams_of([word]))


def test_more_and_earlier_words_score_higher_and_a_longer_text_lower() -> None:
    few, many = score(f"t{SEAM}a b", ["a"]), score(f"t{SEAM}a a a b", ["a"])
    assert 0 < score(f"t{SEAM}a" + "b" * 9000, ["a"]) < few < many < score(f"a{SEAM}b", ["a"])
