"""Trees of HTML are cheap to change, and say what lies above or within their elements."""

import pytest

from archive.rendering.images import FastIndexTag, ancestor_ids, new_element, parse_html, texts_in


def test_a_child_is_found_from_any_child_found_before_and_by_identity() -> None:
    body = parse_html("<b></b>" * 9).body
    assert isinstance(body, FastIndexTag)
    children = list(body.contents)
    assert [body.index(children[place]) for place in (8, 0, 4, 3, 8, 0)] == [8, 0, 4, 3, 8, 0]
    children[8].extract()
    children[0].extract()
    assert [body.index(child) for child in children[1:8]] == list(range(7))
    with pytest.raises(ValueError, match="not a child"):
        body.index(children[0])


def test_all_ancestors_of_elements_are_known() -> None:
    soup = parse_html("<div id=a><p id=b><i>x</i></p></div><div id=c></div>")
    above = ancestor_ids(soup.find_all("i"))
    assert [tag["id"] for tag in soup.find_all(id=True) if id(tag) in above] == ["a", "b"]


def test_comments_and_white_space_are_no_text() -> None:
    assert [str(node) for node in texts_in(parse_html("<p>a<!-- b --> <b>c</b>\n</p>"))] == ["a", "c"]


def test_a_new_element_escapes_its_text_and_attributes() -> None:
    made = new_element("span", "<b>", class_="x", title='"')
    assert str(made) == """<span class="x" title='"'>&lt;b&gt;</span>"""
