from crawler.discovery.source import State
from crawler.discovery.sources.address_list import AddressList
from tests.crawler.discovery.driving import drive, post_url

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"


def test_addresses_stand_anywhere_in_the_lines() -> None:
    text = f"# 合成清单\n\n{SHORT}\n合成标题,{post_url(1)},2026-03-01\n看这个：{post_url(2)}。\r\n{SHORT}\n"
    found, asked = drive(AddressList(text))
    assert [seen.url for seen in found.posts] == [SHORT, post_url(1), post_url(2)]
    assert (found.state, found.advice, asked) == (State.OK, None, [])


def test_lines_without_an_address_are_named() -> None:
    found, _ = drive(AddressList(f"nothing\n{SHORT}\nhttps://example.com/\na\nb\n"))
    assert found.state is State.OK
    assert "line 1, 3, 4 and 1 more" in str(found.advice)


def test_an_empty_file_is_no_success() -> None:
    assert drive(AddressList("# nothing yet\n"))[0].state is State.EMPTY


def test_a_file_that_cannot_be_read_is_said_to() -> None:
    found, _ = drive(AddressList("", "/data/list.txt cannot be read: no such file or directory"))
    assert (found.state, found.detail) == (
        State.NOT_CONFIGURED, "/data/list.txt cannot be read: no such file or directory",
    )  # fmt: skip
