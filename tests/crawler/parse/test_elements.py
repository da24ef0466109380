"""The elements of a body that show or link to something, in the order of the markup."""

from crawler.parse.elements import find_elements


def test_elements_come_in_order_with_their_attributes() -> None:
    found = find_elements('<p><img data-src="a"><span>x</span><iframe data-src="b"></iframe></p>').elements
    assert [(one.name, one.get("src", "data-src")) for one in found] == [("img", "a"), ("iframe", "b")]


def test_a_link_has_its_text_and_its_first_image() -> None:
    (link, *_) = find_elements('<a href="x">一 <b>二</b><img src="1" alt="图"><img src="2"></a>').elements
    assert link.words == "一 二"
    assert link.image.get("alt") == "图"


def test_an_element_of_any_name_counts_by_its_attributes() -> None:
    found = find_elements('<span data-miniprogram-appid="wx1">x</span><span>y</span>').elements
    assert [one.get("data-miniprogram-appid") for one in found] == ["wx1"]


def test_text_of_scripts_and_styles_is_no_text_of_a_link() -> None:
    (link,) = find_elements('<a href="x"><style>p {}</style>词</a>').elements
    assert link.words == "词"
