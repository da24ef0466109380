import pytest

from archive.domain import address_list
from crawler.discovery.source import SourceError, State
from crawler.discovery.sources.address_list import AddressList, CommandList
from tests.crawler.discovery.driving import drive, post_url

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"


def test_addresses_stand_anywhere_in_the_lines() -> None:
    text = f"# 合成清单\n\n{SHORT}\n合成标题,{post_url(1)},2026-03-01\n看这个：{post_url(2)}。\r\n{SHORT}\n"
    found, asked = drive(AddressList(text.encode()))
    assert [seen.url for seen in found.posts] == [SHORT, post_url(1), post_url(2)]
    assert (found.state, found.advice, asked) == (State.OK, None, [])


def test_lines_without_an_address_are_named() -> None:
    found, _ = drive(AddressList(f"# mine\n{SHORT}\n说明文字\nhttps://example.com/\na\n".encode()))
    assert found.state is State.OK
    assert str(found.advice) == (
        "3 lines of the list have no address of a post, the first is line 3: “说明文字”"
    )


TABLES = [
    f"标题,链接\n第一篇,{SHORT}\n第二篇,{post_url(1)}\n",
    f"链接\t标题\n{SHORT}\t第一篇\n{post_url(1)}\t第二篇\n",
    f'{{"title": "第一篇", "url": "{SHORT}"}}\n{{"title": "第二篇", "url": "{post_url(1)}"}}\n',
    f'<opml><outline text="第一篇" url="{SHORT}"/>'
    f'<outline text="第二篇" url="{post_url(1).replace("&", "&amp;")}"/></opml>',
]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("text", TABLES)
def test_titles_of_a_list_are_taken(text: str, encoding: str) -> None:
    found, _ = drive(AddressList(text.encode(encoding)))
    assert [(one.url, one.title) for one in found.posts] == [(SHORT, "第一篇"), (post_url(1), "第二篇")]
    assert found.advice is None


def test_a_file_that_is_not_read_to_its_end_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_list, "MAX_ADDRESSES", 1)
    found, _ = drive(AddressList(f"{SHORT}\n{post_url(1)}\n".encode()))
    assert str(found.advice) == "the list was not read to its end: the list has over 1 addresses; split it"


def test_an_empty_file_is_no_success() -> None:
    assert drive(AddressList(b"# nothing yet\n"))[0].state is State.EMPTY


def test_a_file_that_cannot_be_read_is_said_to() -> None:
    found, _ = drive(AddressList(b"", "/data/list.txt cannot be read: no such file or directory"))
    assert (found.state, found.detail) == (
        State.NOT_CONFIGURED, "/data/list.txt cannot be read: no such file or directory",
    )  # fmt: skip


DESKTOP = f'[{{"account": "合成", "title": "第一篇", "url": "{SHORT}", "time": 1772000000}}]'


@pytest.mark.parametrize(
    "output",
    [
        DESKTOP,
        f'{{"articles": {DESKTOP}, "total": 1}}',
        f'{{"title": "第一篇", "url": "{SHORT}"}}\n',
        f"title,url\n第一篇,{SHORT}\n",
    ],
)
def test_what_a_program_prints_is_read_as_a_list(output: str) -> None:
    found, _ = drive(CommandList(lambda: (output.encode(), 0)))
    assert [(one.url, one.title) for one in found.posts] == [(SHORT, "第一篇")]
    assert (found.state, found.detail) == (State.OK, None)


def test_what_a_program_printed_before_it_failed_is_taken() -> None:
    found, _ = drive(CommandList(lambda: (f"{SHORT}\nkey=synthetic\n".encode(), 2)))
    assert [one.url for one in found.posts] == [SHORT]
    assert found.state is State.UNREACHABLE
    assert "exit code 2" in str(found.detail)
    assert "synthetic" not in str(found.summary), "lines of a program may hold secrets"


@pytest.mark.parametrize(
    ("output", "state"),
    [
        (b"", State.EMPTY),
        (b"[]\n", State.EMPTY),
        (b'{"error": "not signed in"}', State.NOT_UNDERSTOOD),
        (b"\x89PNG\xff\xfe\x00\x01", State.NOT_UNDERSTOOD),
    ],
)
def test_output_without_a_post_is_no_success(output: bytes, state: State) -> None:
    found, _ = drive(CommandList(lambda: (output, 0)), memory={"a": 1})
    assert (found.state, found.posts, found.memory) == (state, (), {"a": 1})


def test_a_program_that_cannot_be_run_is_said_to() -> None:
    def run() -> tuple[bytes, int]:
        raise SourceError(State.NOT_CONFIGURED, "crawler.command.not_found", program="synthetic")

    found, _ = drive(CommandList(run))
    assert (found.state, str(found.detail)) == (State.NOT_CONFIGURED, "there is no program “synthetic”")
