"""Which post a page is: from its script state, its own link, or the address it came from."""

from datetime import UTC, datetime

import pytest

from crawler.parse.identity import find_identity, find_instant
from crawler.parse.script_state import PageState

BIZ = "MzAwMDAwMDAwMA=="
URL = f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=21&idx=2&sn=abc&chksm=def"


def _state(script: str) -> PageState:
    return PageState([f'var biz = "{BIZ}";{script}'.encode()])


def test_the_non_empty_operand_counts_wherever_it_stands() -> None:
    state = _state(
        'var mid = "" || "" || "21";var idx = "" || "2" || "";var sn = "abc" || "";var ct = "1700000000";'
    )
    found = find_identity(state, None)
    assert (found.biz, found.aid, found.sn) == (BIZ, "21_2", "abc")
    assert found.is_complete


def test_decoys_in_bundled_scripts_are_not_ids() -> None:
    bundled = b"var biz = null; var mid = start + end >> 1;"
    state = PageState([bundled, f"window.biz = '' || '{BIZ}';window.mid = '21';".encode()])
    assert find_identity(state, None).mid == "21"


def test_the_request_address_completes_what_the_page_leaves_empty() -> None:
    found = find_identity(_state('var mid = "" || "";'), URL)
    assert (found.aid, found.sn, found.chksm) == ("21_2", "abc", "def")


def test_an_address_whose_account_lacks_its_padding_is_of_the_same_post() -> None:
    unpadded = URL.replace("==", "")
    assert find_identity(_state("var mid = '21'; var idx = '2'; var sn = 'abc';"), unpadded).chksm == "def"
    assert find_identity(PageState([]), unpadded).biz == BIZ


def test_an_address_of_another_post_tells_nothing() -> None:
    assert find_identity(_state('var mid = "22";'), URL).idx == ""


def test_what_the_page_says_of_itself_comes_before_the_address_that_was_asked() -> None:
    own = URL.replace("mid=21", "mid=22")
    assert find_identity(_state(f"var msg_link = '{own}';"), URL).aid == "22_2"
    assert find_identity(_state(""), URL, [own]).aid == "22_2"


def test_a_page_without_ids_and_with_another_check_value_is_not_the_post_asked_for() -> None:
    assert find_identity(_state("var sn = 'xyz';"), URL).mid == ""


def test_chksm_comes_from_the_pages_own_link() -> None:
    link = URL.replace("&", r"\x26amp;")
    assert find_identity(_state(f"var mid = '21'; var msg_link = '{link}';"), None).chksm == "def"


@pytest.mark.parametrize(
    ("script", "instant"),
    [
        ("var ct = '1700000000';", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("var createTime = '2023-11-15 06:13';", datetime(2023, 11, 14, 22, 13, tzinfo=UTC)),
        ("var ct = '12';", None),
        ("var createTime = '2023-13-45 99:99';", None),
    ],
)
def test_written_times_are_beijing_wall_clock(script: str, instant: datetime | None) -> None:
    assert find_instant(_state(script)) == instant


def test_the_date_is_that_of_shanghai() -> None:
    assert find_identity(_state("var ct = '1700000000';"), None).date == "2023-11-15"
