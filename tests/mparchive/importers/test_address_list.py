"""Reading lists of addresses."""

import io
import json
from datetime import date
from pathlib import Path

import pytest

from archive.domain.address_list import ListedAddress
from mparchive.importers.address_list import read_list
from mparchive.importers.dump import DumpEntry
from mparchive.importers.items import Flaw, InputError, Skipped
from mparchive.importers.read import read_inputs
from tests.acceptance.dumps import dump_bytes, record

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


def test_lines_with_other_addresses_are_one_flaw_and_lines_with_none_one_remark() -> None:
    lines = [
        LONG,
        "hello",
        "看 https://example.org/a",
        "世界",
        "http://mp.weixin.qq.com:8080/s/abcdefghijkl",
        SHORT,
    ]
    items = list(read_list(io.BytesIO("\n".join(lines).encode()), "a.txt"))
    assert [item.address.key for item in items if isinstance(item, ListedAddress)] == KEYS
    (flaw,) = (item for item in items if isinstance(item, Flaw))
    assert str(flaw).startswith("a.txt, line 3: https://example.org/a ")
    assert str(flaw).endswith("(2 lines without the address of a post)")
    assert flaw.number == 2
    assert [str(item) for item in items if isinstance(item, Skipped)] == [
        "a.txt: 2 lines without an address, the first is line 2: “hello”"
    ]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([{"title": "一", "url": LONG, "cover_url": ""}, {"title": "二", "url": SHORT}]),
        json.dumps({"articles": [{"a": {"b": [LONG]}}, {"b": f"分享 {SHORT} 来自"}]}),
        json.dumps({"u": LONG, "content": f'<a href="{SHORT}x">旧文</a>'}) + "\n" + json.dumps({"u": SHORT}),
        json.dumps({"general_msg_list": json.dumps({"list": [{"content_url": LONG}, {"link": SHORT}]})}),
        json.dumps(
            [{"link": LONG, "source_url": f"{SHORT}x"}, {"link": SHORT}], ensure_ascii=False, indent=1
        ),
        f"[一]({LONG})\n- **{SHORT}**\n",
        f"<{LONG}>\n> {SHORT}\n",
        f'<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DT><A HREF="{LONG.replace("&", "&amp;")}">一</A>\n'
        f'<DT><A HREF="https://example.org/">x</A><DT><A HREF="{SHORT}">二</A>',
        f'<?xml version="1.0"?><opml><body><outline url="{LONG.replace("&", "&amp;")}"/>'
        f'<outline htmlUrl="{SHORT}"/></body></opml>',
        f"名称,文章网址,备注\n一,{LONG},{SHORT}x\n二,{SHORT},\n",
    ],
)
def test_addresses_are_found_in_json_bookmarks_and_any_table(tmp_path: Path, content: str) -> None:
    path = tmp_path / "list"
    path.write_text(content, encoding="utf-8")
    items = list(read_inputs([str(path)]))
    assert [item.address.key for item in items if isinstance(item, ListedAddress)] == KEYS
    assert len(items) == len(KEYS)


def test_titles_and_days_of_json_are_kept() -> None:
    found, _ = read(json.dumps([{"title": "虚构的通知", "url": SHORT, "pub_time": 1762444800}]))
    assert [(item.title, item.day) for item in found] == [("虚构的通知", date(2025, 11, 7))]


def test_titles_of_an_exported_csv_that_was_saved_again_are_restored() -> None:
    cells = ["1_1", "'=1+1", LONG, "2026-03-01"]
    found, _ = read(f"文章标识符aid,标题title,链接url,时间time\n{','.join(cells)}\n")
    assert [item.title for item in found] == ["=1+1"]
    found, _ = read(f"title,url\n'=1+1,{LONG}\n")
    assert [item.title for item in found] == ["'=1+1"]


def items_of(tmp_path: Path, content: str) -> list[object]:
    path = tmp_path / "input.xml"
    path.write_text(content, encoding="utf-8")
    return list(read_inputs([str(path)]))


@pytest.mark.parametrize(
    "content",
    [
        f'<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DT><A HREF="{SHORT}" ADD_DATE="1">甲 &amp; 乙</A>',
        f'<opml><body><outline title="甲 &amp; 乙" htmlUrl="{SHORT}"/></body></opml>',
        f'<opml><body><outline text="甲 &amp; 乙" url="{SHORT}"/></body></opml>',
    ],
)
def test_titles_of_bookmarks_are_kept(tmp_path: Path, content: str) -> None:
    (item,) = items_of(tmp_path, content)
    assert isinstance(item, ListedAddress)
    assert (item.title, item.address.key) == ("甲 & 乙", KEYS[1])


RSS = (
    '<?xml version="1.0"?>\n<!-- a - comment -->\n<rss version="2.0"><channel><title>合成</title>'
    f"<item><title>条目</title><link>{SHORT}</link><pubDate>Fri, 06 Nov 2025 16:30:00 GMT</pubDate>"
    f"<description>&lt;a href='{SHORT}x'&gt;</description></item>"
    "<item><title>别处</title><link>https://example.org/</link></item></channel></rss>"
)
ATOM = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>条目</title>'
    f'<link href="{SHORT}"/><published>2025-11-06T16:30:00Z</published></entry></feed>'
)


@pytest.mark.slow
@pytest.mark.parametrize(("content", "passed_over"), [(RSS, 1), (ATOM, 0)])
def test_a_feed_is_a_list_of_the_addresses_of_its_entries(
    tmp_path: Path, content: str, passed_over: int
) -> None:
    item, *others = items_of(tmp_path, content)
    assert isinstance(item, ListedAddress)
    assert (item.title, item.day, item.address.key) == ("条目", date(2025, 11, 7), KEYS[1])
    assert [type(one) for one in others] == [Skipped] * passed_over


@pytest.mark.slow
def test_a_feed_without_a_post_is_a_flaw(tmp_path: Path) -> None:
    (flaw,) = items_of(tmp_path, ATOM.replace("mp.weixin.qq.com", "example.org"))
    assert isinstance(flaw, Flaw)
    assert flaw.reason.code == "mparchive.list.feed_without_posts"


def test_records_one_per_line_are_read_as_a_dump(tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_bytes(b"\n".join(dump_bytes([record(number)])[1:-1] for number in (1, 2)) + b"\n")
    items = list(read_inputs([str(path)]))
    assert [type(item) for item in items] == [DumpEntry, DumpEntry]


def test_an_opml_file_of_feeds_is_no_list(tmp_path: Path) -> None:
    path = tmp_path / "feeds.opml"
    path.write_text('<opml version="2.0"><body><outline xmlUrl="http://127.0.0.1/a.xml"/></body></opml>')
    (flaw,) = read_inputs([str(path)])
    assert "contains no address of a post" in str(flaw)


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
