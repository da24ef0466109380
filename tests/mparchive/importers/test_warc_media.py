"""The second reading of WARC files: which records are looked up, what is read of them, in how much memory."""

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from archive.repository.media import DueMedium
from mparchive.importers import warc
from mparchive.importers.items import AwaitedMedium, Flaw, MediumName, SavedMedium, SavedPage, Skipped
from mparchive.importers.open import open_source
from mparchive.importers.wacz import read_wacz
from mparchive.importers.warc import read_warc
from tests.mparchive.importers.test_wacz import zipped
from tests.mparchive.importers.test_warc import IDENTICAL, PAGE, Writer

pytestmark = pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer
PICTURE = "https://mmbiz.qpic.cn/a/0?wx_fmt=png"
LIMIT = 2_000_000  # bytes
Item = SavedPage | SavedMedium | Flaw | Skipped


class Sought:
    """Asks for everything at some addresses, and remembers what it was asked."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.names: list[list[MediumName]] = []

    def __call__(self, names: Sequence[MediumName]) -> Sequence[tuple[AwaitedMedium, ...]]:
        self.names.append(list(names))
        return [self._wanted(name.address) for name in names]

    def _wanted(self, address: str) -> tuple[AwaitedMedium, ...]:
        medium = DueMedium(1, address, address, "image", None)
        return (AwaitedMedium(medium, LIMIT),) if address in self._addresses else ()


def read(folder: Path, content: bytes, sought: Sought) -> list[Item]:
    path = folder / "week.warc"
    path.write_bytes(content)
    with open_source(str(path)) as source:
        return list(read_warc(source.stream, "week.warc", sought))


def files(items: list[Item]) -> list[bytes]:
    return [item.response.body for item in items if isinstance(item, SavedMedium)]


def test_media_come_after_the_pages_and_each_other_record_is_counted_once(tmp_path: Path) -> None:
    writer = Writer().add(b"one", PICTURE).pages(1).add(b"two", PICTURE, kind="resource")
    writer.add(b"x", "https://mmbiz.qpic.cn/b").add(b"y", "http://[", kind="resource").add(b"z", "urn:z")
    writer.add(b"GET", PICTURE, kind="request").add(b"", PICTURE, status="304 Not Modified")
    page, *rest = read(tmp_path, writer.content, Sought(PICTURE))
    assert isinstance(page, SavedPage)
    assert len(files(rest)) == 2
    assert sorted(str(item) for item in rest if isinstance(item, Skipped)) == [
        "week.warc: 1 record that is no response",
        "week.warc: 1 record that is no response",
        "week.warc: 1 response of another host",
        "week.warc: 1 response of another host",
        "week.warc: 1 response without a file (redirect, error)",
    ]


def test_records_are_looked_up_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "LOOKUP_BATCH", 2)
    writer, sought = Writer(), Sought(PICTURE)
    for number in range(4):
        writer.add(b"x", f"http://mmbiz.qpic.cn/{number}#fragment")
    assert files(read(tmp_path, writer.add(b"y", PICTURE).content, sought)) == [b"y"]
    assert [len(some) for some in sought.names] == [2, 2, 1]
    assert sought.names[0][0] == MediumName("https://mmbiz.qpic.cn/0", "https://mmbiz.qpic.cn/0")


def test_a_page_of_a_post_is_never_looked_up(tmp_path: Path) -> None:
    sought = Sought()
    read(tmp_path, Writer().pages(2).content, sought)
    assert sought.names == []


def test_a_revisit_is_the_file_of_the_record_it_names_whether_that_was_wanted_or_not(tmp_path: Path) -> None:
    writer = Writer().add(b"bytes", "https://mmbiz.qpic.cn/b")
    again = {
        "WARC_Profile": IDENTICAL,
        "WARC_Refers_To_Target_URI": "https://mmbiz.qpic.cn/b",
        "WARC_Refers_To_Date": "2024-05-06T07:08:09Z",
        "WARC_Payload_Digest": "none:0",
    }
    assert files(
        read(tmp_path, writer.add(b"", PICTURE, kind="revisit", **again).content, Sought(PICTURE))
    ) == [b"bytes"]


@pytest.mark.parametrize("change", [-30, -1, 1, 30, 900, 10_000_000])
def test_a_wrong_length_is_told_and_costs_no_other_file(tmp_path: Path, change: int) -> None:
    writer = Writer().pages(1).add(b"x" * 500, PICTURE).add(b"sound", PICTURE)
    start, end = writer.starts[1:]
    record = writer.content[start:end]
    length = int(record.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    wrong = record.replace(b"Content-Length: %d" % length, b"Content-Length: %d" % (length + change))
    items = read(tmp_path, writer.content[:start] + wrong + writer.content[end:], Sought(PICTURE))
    assert files(items) == [b"sound"]
    (flaw,) = [str(item) for item in items if isinstance(item, Flaw)]
    assert flaw.startswith("week.warc, record 2 at byte")


def test_what_is_larger_than_any_that_is_wanted_is_not_read(tmp_path: Path) -> None:
    writer = Writer().add(b"x" * (LIMIT + 100_000), PICTURE).add(b"small", PICTURE)
    flaw, file = read(tmp_path, writer.content, Sought(PICTURE))
    assert "at most" in str(flaw)
    assert files([file]) == [b"small"]


@pytest.mark.slow
def test_many_files_are_read_in_the_memory_of_one(tmp_path: Path) -> None:
    writer = Writer()
    for _ in range(30):
        writer.add(b"x" * LIMIT, PICTURE)
    path = tmp_path / "large.warc"
    path.write_bytes(writer.content)
    del writer
    tracemalloc.start()
    with open_source(str(path)) as source:
        count = sum(isinstance(one, SavedMedium) for one in read_warc(source.stream, "a", Sought(PICTURE)))
    assert count == 30
    assert tracemalloc.get_traced_memory()[1] < 8 * LIMIT
    tracemalloc.stop()


def test_a_wacz_may_have_its_files_and_its_pages_in_different_warcs(tmp_path: Path) -> None:
    members = {
        "archive/a.warc.gz": Writer(packed=True).add(b"file", PICTURE).content,
        "archive/b.warc": Writer().pages(1).content,
    }
    path = tmp_path / "posts.wacz"
    path.write_bytes(zipped(members))
    with open_source(str(path)) as source:
        page, file = read_wacz(source.stream, "posts.wacz", Sought(PICTURE))
    assert isinstance(page, SavedPage)
    assert page.body == PAGE % 1
    assert isinstance(file, SavedMedium)
    assert (file.source, file.response.body) == ("posts.wacz, archive/a.warc.gz", b"file")
