"""Files that were made to hurt: each ends soon, in little memory, with a sentence; what is good is taken."""

import gzip
import io
import json
import struct
from collections.abc import Callable, Iterator

import pytest

from archive.domain import address_list
from mparchive.importers import dump, open, wacz, warc_records
from mparchive.importers.accounts import read_accounts
from mparchive.importers.address_list import read_list
from mparchive.importers.dump import read_dump
from mparchive.importers.items import Flaw, InputError, SavedPage, find_no_media
from mparchive.importers.open import gunzip
from mparchive.importers.wacz import read_wacz
from mparchive.importers.warc import read_warc
from tests.archive.making import record
from tests.mparchive.importers.test_wacz import zipped
from tests.mparchive.importers.test_warc import PAGE, Writer, bodies
from tests.support.growth import MAX_GROWTH, growth

pytestmark = pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer

POST = "https://mp.weixin.qq.com/s/abcdefghijkl"
PACKED = gzip.compress(b"WARC/1.0\r\n\r\n", mtime=0)


def written(body: bytes = b"HTTP/1.1 200 OK\r\n\r\n<html></html>", length: int = -1, **named: str) -> bytes:
    """Return a record, whatever is wrong with it."""
    headers = {"WARC-Type": "response", "WARC-Target-URI": POST, "WARC-Date": "2024-05-06T07:08:09Z"}
    headers |= {name.replace("_", "-"): value for name, value in named.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    size = len(body) if length < 0 else length
    return f"WARC/1.0\r\n{lines}Content-Length: {size}\r\n\r\n".encode("latin-1") + body + b"\r\n\r\n"


def warc(content: bytes) -> list[object]:
    return list(read_warc(io.BytesIO(content), "f.warc", find_no_media))


def chunked(number: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return written(head + b"1\r\na\r\n" * number + b"0\r\n\r\n")


def revisits(number: int) -> bytes:
    page = written(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 2000 * number, WARC_Record_ID="<a>")
    profile = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
    again = written(b"", WARC_Type="revisit", WARC_Refers_To="<a>", WARC_Profile=profile)
    return page + again * number


def overlapping(number: int) -> bytes:
    return written(b"", 2000 * number) * number + bytes(2000 * number)


def unpack(content: bytes) -> None:
    for _ in gunzip(io.BytesIO(content)):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "work", "size"),
    [
        pytest.param(lambda number: b"WARC/1.0\n" * number, warc, 20_000, id="first lines"),
        pytest.param(lambda number: written(b"")[:-4] * number, warc, 3_000, id="records without an end"),
        pytest.param(lambda number: b"WARC/1.0\r\n" + b"a:\r\n" * number, warc, 500_000, id="headers"),
        pytest.param(overlapping, warc, 500, id="records over each other"),
        pytest.param(revisits, warc, 500, id="revisits"),
        pytest.param(chunked, warc, 100_000, id="chunks"),
        pytest.param(lambda n: PACKED + b"\x1f\x8b\x08\0" * n, unpack, 40_000, id="signs of gzip"),
        pytest.param(lambda n: PACKED + (PACKED[:-8] + bytes(8)) * n, unpack, 20_000, id="damaged members"),
        pytest.param(lambda n: PACKED + gzip.compress(b"") * n, unpack, 50_000, id="empty members"),
    ],
)
def test_time_grows_with_the_file_and_no_faster(
    make: Callable[[int], bytes],
    work: Callable[[bytes], object],
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warc_records, "MAX_REREAD", 1_000_000)
    assert growth(make, work, size) < MAX_GROWTH


def test_members_that_are_all_damaged_are_each_said_and_the_good_one_behind_them_is_taken() -> None:
    damaged = PACKED[:-8] + bytes(8)
    content = PACKED + damaged * 2000 + gzip.compress(written(), mtime=0)
    unpacked = b"".join(gunzip(io.BytesIO(content)))
    assert unpacked.count(b"(damaged)") + unpacked.count(b"Lost: ") == 2000
    assert unpacked.endswith(written())


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (written(WARC_Date="9" * 4000), "does not say when"),
        (written(WARC_Date="9" * 6000), "does not say when"),
        (written(WARC_Target_URI="http://[::1"), "another host"),
        (written(b"HTTP/1.1 " + b"9" * 5000 + b"\r\n\r\n"), "no status"),
        (written(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n<html>"), "of a chunk"),
        (written(length=10**14), "the file ends after"),
    ],
)
def test_numbers_beyond_reason_cost_their_record(content: bytes, what: str) -> None:
    bad, page = warc(content + written(WARC_Target_URI=f"{POST}x"))[:: -1 if "host" in what else 1]
    assert what in str(bad)
    assert isinstance(page, SavedPage)


@pytest.mark.parametrize("length", ["9" * 5000, "²"])
def test_a_length_that_is_no_number_is_not_heeded(length: str) -> None:
    (page,) = warc(written(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n<html></html>".encode()))
    assert isinstance(page, SavedPage)


def test_wacz_files_over_each_other_are_refused_and_the_others_are_read() -> None:
    content = bytearray(zipped({"archive/a.warc": Writer().pages(1).content, "archive/b.warc": written()}))
    directory = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", directory + 1)
    content[second + 42 : second + 46] = bytes(4)  # it lies where the first does
    items = list(read_wacz(io.BytesIO(bytes(content)), "f.wacz"))
    assert bodies(items) == [PAGE % 1]  # type: ignore[arg-type]  # no media are sought
    assert any("overlaps another file" in str(item) for item in items)


def test_wacz_files_are_unpacked_up_to_one_total(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = open.gunzip

    def counting(raw: io.BufferedReader) -> Iterator[bytes]:
        for piece in real(raw):
            read.append(len(piece))
            yield piece

    monkeypatch.setattr(wacz, "gunzip", counting)
    monkeypatch.setattr(wacz, "MAX_WARC", 10_000_000)
    bomb = gzip.compress(written(bytes(9_000_000), WARC_Target_URI="https://example.org/"))
    items = list(read_wacz(io.BytesIO(zipped({f"archive/{n}.warc.gz": bomb for n in range(20)})), "f.wacz"))
    (flaw,) = [item for item in items if isinstance(item, Flaw)]
    assert "f.wacz has more than 10000000 bytes decompressed" in str(flaw)
    assert sum(read) < 21_000_000  # once for the pages, and the first once more for its media


@pytest.mark.parametrize("offset", [2**32 - 2, 2**63, 2**64 - 1])
def test_a_wacz_file_that_lies_nowhere_is_said(offset: int) -> None:
    content = zipped({"archive/a.warc": written()})
    start = content.index(b"PK\x01\x02")
    name = b"archive/a.warc"
    central = bytearray(content[start : start + 46])
    extra = struct.pack("<HHQ", 1, 8, offset) if offset >= 2**32 else b""
    central[42:46] = struct.pack("<L", 2**32 - 1 if extra else offset)
    central[30:32] = struct.pack("<H", len(extra))
    directory = bytes(central) + name + extra
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), start, 0)
    forged = content[:start] + directory + end
    try:
        items = [str(item) for item in read_wacz(io.BytesIO(forged), "f.wacz")]
    except InputError as error:
        items = [str(error)]
    assert len(items) == 1
    assert "damaged" in items[0]


def test_a_wacz_directory_is_not_held_in_memory_when_it_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wacz, "MAX_DIRECTORY", 10_000)
    with pytest.raises(InputError, match=r"f.wacz has a directory of .* at most 10000"):
        list(read_wacz(io.BytesIO(zipped({f"archive/{n}.warc": b"" for n in range(500)})), "f.wacz"))


def test_a_list_and_a_dump_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_list, "MAX_ADDRESSES", 3)
    lines = "".join(f"https://mp.weixin.qq.com/s/abcdefghij{n}\n" for n in range(6)).encode()
    *good, told = read_list(io.BytesIO(lines), "f.txt")
    assert len(good) == 3
    assert "the list has over 3 addresses" in str(told)
    monkeypatch.setattr(dump, "MAX_RECORDS", 0)
    assert "f.json has over 0 records" in str(next(iter(read_dump(io.BytesIO(b"[{}]"), "f.json"))))


def test_a_number_too_long_for_python_costs_its_record_alone() -> None:
    first, second = read_dump(io.BytesIO(b'[{"x":' + b"9" * 5000 + b"}, {}]"), "f.json")
    assert isinstance(first, Flaw)
    assert "record 2" in str(second)


@pytest.mark.parametrize("depth", [100, 900, 5000, 100_000])
def test_lists_within_lists_of_accounts_end_no_command(depth: int) -> None:
    content = b'{"fakeid": "x", "a":' + b"[" * depth + b"]" * depth + b"}"
    deep = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    for one in (content, deep):
        try:
            list(read_accounts(io.BytesIO(one), "f.json"))
        except InputError as error:
            assert "f.json" in str(error)


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999", "-1e999", "9" * 4000, "[" * 500 + "]" * 500])
@pytest.mark.parametrize("field", ["标题title", "时间time", "文章标识符aid"])
def test_a_value_that_no_field_can_have_costs_its_record_alone(value: str, field: str) -> None:
    good = json.dumps(record(1).as_dict(), ensure_ascii=False)
    bad = json.dumps({**record(2).as_dict(), field: 0}, ensure_ascii=False).replace(": 0", f": {value}")
    flaw, address, entry = read_dump(io.BytesIO(f"[{bad}, {good}]".encode()), "f.json")
    assert isinstance(flaw, Flaw)
    assert "record 1" in str(flaw)
    assert isinstance(address, address_list.ListedAddress), "the post can still be fetched"
    assert isinstance(entry, dump.DumpEntry)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff", "=1+1", "\x1b]52;c;x\x07", "\u202e"])
def test_any_characters_of_a_text_are_those_that_the_record_has(text: str) -> None:
    """Postgres does not store NUL and lone surrogates; they are replaced when a record is stored."""
    content = json.dumps([record(1, title=text, text=text).as_dict()]).encode()
    (entry,) = read_dump(io.BytesIO(content), "f.json")
    assert isinstance(entry, dump.DumpEntry)
    assert (entry.record.title, entry.record.text) == (text, text)
