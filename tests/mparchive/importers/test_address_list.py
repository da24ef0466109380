"""Reading lists of addresses."""

import io
from datetime import date

import pytest

from mparchive.importers.address_list import ListedAddress, read_list
from mparchive.importers.items import Flaw, InputError

LONG = "http://mp.weixin.qq.com/s?__biz=Mzk5OTAwMDAwMg==&mid=11&idx=1&sn=ab&chksm=cd#rd"
SHORT = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
KEYS = ["Mzk5OTAwMDAwMg==:11:1", "s/abcdefghijklmnopqrstuv"]


def read(content: str | bytes) -> tuple[list[ListedAddress], list[str]]:
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    items = list(read_list(stream, "a.txt"))
    return [i for i in items if isinstance(i, ListedAddress)], [str(i) for i in items if isinstance(i, Flaw)]


@pytest.mark.parametrize(
    "content",
    [
        f"{LONG}\n{SHORT}\n",
        f"# mine\r\n\r\n  {LONG}  \r\n{SHORT}",
        f"\ufeff{LONG}\n{SHORT}\n",
        f"标题title,链接url\n一,{LONG}\n二,{SHORT}\n",
        f"url\n{LONG}\n{SHORT}\n",
        f'一,"{LONG}",x\n二,{SHORT},y\n',
        f"title\tlink\n一\t{LONG}\n二\t{SHORT}\n",
        f"一;{LONG}\n二;{SHORT}\n",
        f"标题,链接\n一,{LONG}\n二,{SHORT}\n".encode("gb18030"),
        f"标题,链接\n一,{LONG}\n二,{SHORT}\n".encode("utf-16"),
        f"{LONG}\n{SHORT}\n{LONG}\n",
        f"{LONG}\n{SHORT.removeprefix('https://')}\n",
    ],
)
def test_addresses_are_found_whatever_the_file_looks_like(content: str | bytes) -> None:
    found, flaws = read(content)
    assert ([item.address.key for item in found], flaws) == (KEYS, [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_titles_of_a_table_are_kept(encoding: str) -> None:
    found, _ = read(f"标题,链接\n虚构的通知,{LONG}\n".encode(encoding))
    assert [item.title for item in found] == ["虚构的通知"]


def test_a_bad_line_names_its_number_and_the_others_come() -> None:
    found, flaws = read(f"{LONG}\nhello\n{SHORT}\n")
    assert [item.address.key for item in found] == KEYS
    assert flaws == ["a.txt, line 2: hello is not an http(s) address"]


def test_a_row_without_an_address_is_a_flaw() -> None:
    _, (flaw,) = read(f"title,url\n一,{LONG}\n二\n")
    assert flaw == "a.txt, line 3: it contains no address"


def test_lines_are_counted_in_the_file_also_behind_cells_of_several_lines() -> None:
    _, (flaw,) = read(f'text,url\n"一\n二\n三",{LONG}\n四,nothing\n')
    assert flaw.startswith("a.txt, line 5: ")


def test_a_list_of_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match=r"a\.txt contains no address"):
        read("# only a comment\n\n")


OLD_HEAD = "\ufeff文章标识符aid,标题title,链接url,时间time,公众号名称\n"


@pytest.mark.parametrize(
    "title",
    [
        "虚构的通知",
        "合成,带逗号",
        '他说"好"',
        '"引号开头',
        '引号结尾"',
        '一"a, b"二',
        '""',
        "一\n二",
        '他说"好",再见',
    ],
)
def test_tables_that_a_script_wrote_without_care_for_quotes_give_every_address(title: str) -> None:
    row = '"11_1","{}","{}","2025-11-06","合成云屿经信"\n'
    table = OLD_HEAD + row.format(title, LONG) + row.format("二", LONG.replace("mid=11", "mid=12"))
    found, flaws = read(table)
    assert ([item.address.aid for item in found], flaws) == (["11_1", "12_1"], [])
    assert (found[1].title, found[1].day) == ("二", date(2025, 11, 6))


@pytest.mark.parametrize(
    ("head", "cell", "day"),
    [
        ("时间time", "2025-11-06", date(2025, 11, 6)),
        ("create_time", "1762444800", date(2025, 11, 7)),  # midnight in Shanghai
        ("发布时间", "2025/11/06 08:31", date(2025, 11, 6)),
        ("date", "yesterday", None),
        ("time", "99999999999999999", None),
        ("count", "2025-11-06", None),
    ],
)
def test_the_date_of_a_row_is_read_where_there_is_one(head: str, cell: str, day: date | None) -> None:
    (found,), _ = read(f"url,{head}\n{LONG},{cell}\n")
    assert found.day == day
