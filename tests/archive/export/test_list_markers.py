"""Test what stands before the items of an ordered list."""

import pytest
from bs4 import BeautifulSoup, Tag

from archive.export.html_to_markdown import to_markdown
from archive.export.list_markers import item_markers, item_numbers


def _list(attributes: str, items: str) -> Tag:
    found = BeautifulSoup(f"<ol {attributes}>{items}</ol>", "lxml").ol
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("attributes", "markers"),
    [
        ("", [1, 2]),
        ('start="9"', [9, 10]),
        ("reversed", [2, 1]),
        ('type="a" start="26"', ["z.", "aa."]),
        ('type="A"', ["A.", "B."]),
        ('type="i" start="3999"', ["mmmcmxcix.", "4000."]),
        ('style="list-style: upper-roman inside" start="4"', ["IV.", "V."]),
        ('style="list-style-type:cjk-ideographic" start="10"', ["十、", "十一、"]),
        ('style="list-style-type:decimal-leading-zero"', ["01.", "02."]),
        ('style="list-style-type: simp-chinese-informal" start="99"', ["九十九、", "100、"]),
        ('type="a" start="0"', ["0.", "a."]),
        ('style="list-style-type: none"', []),
        ('style="list-style:disc"', []),
        ('style="list-style-type:decimal" type="a"', [1, 2]),
        ('style="list-style-type:unknown"', [1, 2]),
    ],
)
def test_the_marker_of_an_item_is_the_one_that_browsers_show(
    attributes: str, markers: list[int | str]
) -> None:
    assert list(item_markers(_list(attributes, "<li>甲</li><li>乙</li>")).values()) == markers


def test_a_value_is_the_number_of_its_item_and_those_after_it_go_on() -> None:
    found = item_numbers(_list("", "<li>甲</li><li value=7>乙</li><li value=x>丙</li>"))
    assert list(found.values()) == [1, 7, 8]


@pytest.mark.parametrize(
    ("body", "markdown"),
    [
        ('<ol type="a"><li>甲</li><li>乙</li></ol>', "- a\\. 甲\n- b\\. 乙"),
        ('<ol style="list-style-type:none"><li>1. 甲</li></ol>', "- 1\\. 甲"),
        ('<ol type="I"><li><ul><li>甲</li></ul></li></ol>', "- I\\.\n  - 甲"),
        ('<ol start="-1"><li><pre>x</pre></li></ol>', "- -1\\.\n\n  ```\n  x\n  ```"),
        ('<ol><li>甲<ol start="3"><li>乙</li></ol></li></ol>', "1. 甲\n\n   3. 乙"),
        ('<ul><li><table><tr><td colspan=2>甲</td><td>乙</td></tr></table><ul><li>丙</li></ul></li></ul>',
         '- <table>\n  <tr><td colspan="2">甲</td><td>乙</td></tr></table>\n\n  - 丙'),
        ("<table><tr><td colspan=2><ol type=a><li>甲</li><li></li></ol></td><td>乙</td></tr></table>",
         '<table>\n<tr><td colspan="2"><ol style="list-style-type:lower-alpha"><li>甲</li><li></li></ol></td>'
         "<td>乙</td></tr></table>"),
    ],
)  # fmt: skip
def test_markers_that_markdown_does_not_have_are_words(body: str, markdown: str) -> None:
    assert to_markdown(body) == markdown
