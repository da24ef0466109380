"""Differences as people read them: whole words and numbers, Chinese by character, both texts whole."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.text_diff import MAX_BY_CHARACTER, Extent, Piece, difference, extent

MARKS = {"same": "{}", "added": "{{+{}+}}", "removed": "[-{}-]"}
PIECES = st.sampled_from(
    ["上", "海", "市", "。", "\r", " ", "5G", "12.5%", "1,234", "&nbsp;", "fox", "é", "👩‍🔬", "\U000f0000"]
)
TEXTS = st.lists(PIECES | st.characters(), max_size=60).map("".join)


def shown(before: str, after: str) -> str:
    return "".join(MARKS[piece.kind].format(piece.text) for piece in difference(before, after))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("全市规模以上工业", "全市规上工业", "全市规[-模以-]上工业"),
        ("11月07日发布5G项目", "11月08日发布6G项目", "11月[-07-]{+08+}日发布[-5G-]{+6G+}项目"),
        ("总投资1,234.5万元", "总投资1,334.5万元", "总投资[-1,234.5-]{+1,334.5+}万元"),
        ("增长12.5%，好", "增长13.5%，好", "增长[-12.5%-]{+13.5%+}，好"),
        ("AI lab opened today", "AI labs opened today", "AI [-lab-]{+labs+} opened today"),
        ("甲&lt;乙", "甲&gt;乙", "甲[-&lt;-]{+&gt;+}乙"),
        ("第一段\r第三段\r", "第一段\r第二段\r第三段\r", "第一段\r{+第二段\r+}第三段\r"),
        ("", "新", "{+新+}"),
        ("旧", "", "[-旧-]"),
        ("", "", ""),
    ],
)
def test_a_difference_cuts_no_word_number_or_entity_in_two(before: str, after: str, expected: str) -> None:
    assert shown(before, after) == expected


@pytest.mark.slow
@given(TEXTS, TEXTS)
def test_both_texts_can_be_put_together_again(before: str, after: str) -> None:
    pieces = difference(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == after
    assert all(piece.text for piece in pieces)


@given(TEXTS)
def test_what_did_not_change_is_one_piece(text: str) -> None:
    assert difference(text, text) == ([Piece("same", text)] if text else [])


@given(st.from_regex(re.compile(r"[上海 ]{0,5}[a-z0-9]{1,6}[上海 ]{0,5}"), fullmatch=True), TEXTS)
def test_a_word_is_in_one_piece_or_in_none(before: str, after: str) -> None:
    (word,) = re.findall("[a-z0-9]+", before)
    of_before = [piece.text for piece in difference(before, after) if piece.kind != "added"]
    assert sum(word in text for text in of_before) == 1


def test_texts_too_long_to_compare_by_character_are_compared_by_paragraph() -> None:
    paragraph = "上海" * 50
    many = [f"{number}{paragraph}\r" for number in range(MAX_BY_CHARACTER // 100)]
    changed = [*many[:7], f"新{many[7]}", *many[8:]]
    pieces = difference("".join(many), "".join(changed))
    assert [(piece.kind, piece.text) for piece in pieces if piece.kind != "same"] == [
        ("removed", many[7]),
        ("added", changed[7]),
    ]


def test_of_texts_with_more_paragraphs_than_can_be_told_apart_one_stands_for_the_other() -> None:
    before = "".join(f"{number}\r" for number in range(140_000))
    assert difference(before, "x\r" + before) == [Piece("removed", before), Piece("added", "x\r" + before)]
    assert difference(before, before) == [Piece("same", before)]
    assert difference("", before) == [Piece("added", before)]


def test_the_extent_of_a_change_is_counted_in_characters() -> None:
    assert extent(difference("总投资1,234万元", "总投资2万元")) == Extent(added=1, removed=5)
