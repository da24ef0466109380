"""What people type, as words that posts must and must not have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.search.query import MAX_LENGTH, MAX_QUERY_WORDS, Query, SearchError, parse

TYPED = st.text(st.sampled_from('ab工业 -"“”\u3000\t\0\ud800') | st.characters(), max_size=60)


@pytest.mark.parametrize(
    ("typed", "words", "excluded"),
    [
        ("工业 互联网", ("工业", "互联网"), ()),
        ("工业\u3000互联网\t", ("工业", "互联网"), ()),
        ('"工业 互联网" 平台', ("工业 互联网", "平台"), ()),
        ("“工业  互联网”平台", ("工业 互联网", "平台"), ()),
        ("AI -Foo", ("ai",), ("foo",)),
        ('AI -"Foo Bar" -“甲 乙”', ("ai",), ("foo bar", "甲 乙")),
        ('"open end', ("open end",), ()),
        ('5" 屏', ('5"', "屏"), ()),
        ('"“" “"”', ("“", '"'), ()),
        ('"-x"', ("-x",), ()),
        ("- a", ("-", "a"), ()),
        ("a--b", ("a--b",), ()),
        ("a a A", ("a",), ()),
        ('"" a', ("a",), ()),
        ('" a"', (" a",), ()),
        ("a\0\ud800", ("a\ufffd\ufffd",), ()),
    ],
)
def test_words_phrases_and_exclusions_are_read(
    typed: str, words: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    assert parse(typed) == Query(words, excluded)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "is empty"),
        (" \u3000\n", "is empty"),
        ('""', "is empty"),
        ("-a -b", "only excludes"),
        ("a" * (MAX_LENGTH + 1), f"at most {MAX_LENGTH}"),
        ('"' * 10_000, f"at most {MAX_LENGTH}"),
        (" ".join(map(str, range(MAX_QUERY_WORDS + 1))), f"more than {MAX_QUERY_WORDS}"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_in_a_sentence(typed: str, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        parse(typed)


@given(TYPED)
def test_any_text_is_read_or_refused(typed: str) -> None:
    try:
        query = parse(typed)
    except SearchError as error:
        assert "give" in str(error)
    else:
        assert query.words
        assert all((*query.words, *query.excluded))
        "".join(query.words).encode()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\0'), min_size=1, max_size=40))
def test_a_phrase_in_quotes_is_one_word(phrase: str) -> None:
    try:
        assert len(parse(f'"{phrase}"').words) == 1
    except SearchError:
        pytest.fail(phrase)
