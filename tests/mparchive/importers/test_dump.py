"""Reading dumps a record at a time."""

import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.address_list import ListedAddress
from archive.domain.records import Record
from archive.export.records import write_csv
from mparchive.importers import dump
from mparchive.importers.dump import DumpEntry, read_csv_dump, read_dump
from mparchive.importers.items import Flaw, InputError
from tests.acceptance.dumps import dump_bytes, record


def read(content: bytes) -> tuple[list[int], list[str]]:
    """Numbers of the good records, and the flaws as sentences."""
    items = list(read_dump(io.BytesIO(content), "a.json"))
    good = [item.number for item in items if isinstance(item, DumpEntry)]
    return good, [str(item) for item in items if isinstance(item, Flaw)]


def test_records_come_in_order_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "PIECE", 7)  # cuts characters, strings and separators alike
    assert read(dump_bytes([record(number) for number in range(20)])) == (list(range(1, 21)), [])


@pytest.mark.parametrize(
    "written",
    [
        dump_bytes,
        lambda records: b"\xef\xbb\xbf" + dump_bytes(records),
        lambda records: json.dumps(records, indent=2).replace("\n", "\r\n").encode(),
        lambda records: b" \n" + dump_bytes(records) + b"\n",
    ],
    ids=["as written", "with a BOM", "escaped, indented, with CRLF", "with space around"],
)
def test_every_way_to_write_a_dump_is_read(written: Callable[[list[object]], bytes]) -> None:
    assert read(written([record(1), record(2)])) == ([1, 2], [])


def test_a_record_given_twice_comes_once() -> None:
    assert read(dump_bytes([record(1), record(1)])) == ([1], [])


def test_other_content_under_the_same_aid_names_both_records() -> None:
    good, (flaw,) = read(dump_bytes([record(0), record(1), record(1, title="另一个")]))
    assert good == [1, 2]
    assert flaw.startswith("a.json, record 3: ")
    assert "record 2" in flaw


def test_bytes_that_are_no_text_cost_only_what_follows() -> None:
    good, (flaw,) = read(dump_bytes([record(1), record(2)])[:-1] + b"\xff, ]")
    assert good == [1, 2]
    assert flaw == "a.json, record 3: it is not UTF-8; the rest of the file cannot be read"


def test_a_stray_byte_at_the_very_end_is_noticed() -> None:
    good, flaws = read(dump_bytes([record(1)]) + b"\xe4")
    assert (good, len(flaws)) == ([1], 1)


def test_a_dump_of_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match=r"a\.json is a dump without any record"):
        read(b"[ ]")


def test_a_record_without_end_is_given_up_early() -> None:
    class Endless(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            self.given += size
            return b"x" * size

    endless = Endless()
    items = list(read_dump(_Joined(b'["', endless), "a.json"))
    assert [str(item).partition(":")[0] for item in items] == ["a.json, record 1"]
    assert endless.given < 4 * dump.MAX_RECORD


class _Joined(io.BytesIO):
    """Some bytes, then those of another stream."""

    def __init__(self, first: bytes, rest: io.BytesIO):
        super().__init__(first)
        self._rest = rest

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size) or self._rest.read(size)


@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_bytes_make_it_fail(junk: bytes, at: int) -> None:
    whole = dump_bytes([record(1), record(2)])
    try:
        good, flaws = read(b"[" + whole[1:at] + junk)
    except InputError:
        return
    assert len(good) + len(flaws) > 0


SEVERAL = [
    Record.from_mapping(record(number, title=title, text=text))
    for number, (title, text) in enumerate(
        [("=1+1", "\r一\r"), ("'=1", "'"), ('-\r\n,"', "a\nb\r\n"), ("题", "长" * 200_000)]
    )
]


def csv_of(records: list[Record]) -> bytes:
    """Return the records as `export` writes them."""
    out = io.BytesIO()
    write_csv(records, out)
    return out.getvalue()


def read_csv(content: bytes) -> tuple[list[Record], list[str]]:
    """Return the records of a CSV file, and the flaws as sentences."""
    items = list(read_csv_dump(io.BytesIO(content), "a.csv"))
    records = [item.record for item in items if isinstance(item, DumpEntry)]
    return records, [str(item) for item in items if isinstance(item, Flaw)]


@pytest.mark.parametrize("piece", [7, dump.PIECE])
def test_an_exported_csv_comes_back_exactly(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(dump, "PIECE", piece)
    assert read_csv(csv_of(SEVERAL)) == (SEVERAL, [])


@pytest.mark.parametrize("cut", range(1, len(csv_of(SEVERAL[1:2])) - len(csv_of([]))))
def test_a_csv_that_is_cut_off_anywhere_in_a_record_says_so(cut: int) -> None:
    records, (flaw,) = read_csv(csv_of(SEVERAL[:2])[:-cut])
    assert records == SEVERAL[:1]
    assert flaw.startswith("a.csv, record 2: ")


def test_a_row_with_another_number_of_cells_costs_only_itself() -> None:
    content = csv_of(SEVERAL[:1]) + b'"a","b"\r\n' + csv_of(SEVERAL[1:2])[len(csv_of([])) :]
    records, (flaw,) = read_csv(content)
    assert records == SEVERAL[:2]
    assert flaw == "a.csv, record 2: it has 2 columns; 6 were expected"


def test_a_csv_without_a_row_is_named() -> None:
    with pytest.raises(InputError) as error:
        read_csv(csv_of([]))
    assert error.value.message.code == "mparchive.dump.empty"


@pytest.mark.parametrize(
    ("changed", "is_kept"),
    [
        ({"finalContent": None}, True),
        ({"时间time": "2025-11-31"}, True),
        ({"文章标识符aid": 26506935081}, True),
        ({"链接url": "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"}, True),
        ({"文章标识符aid": "1_1"}, False),
        ({"链接url": "https://example.org/1"}, False),
    ],
    ids=["no text", "no date", "aid a number", "short link", "aid of another post", "no post"],
)
def test_a_record_with_a_flaw_keeps_its_address(changed: dict[str, object], is_kept: bool) -> None:
    good = record(1)
    flaw, *rest = read_dump(io.BytesIO(dump_bytes([good | changed])), "a.json")
    assert isinstance(flaw, Flaw)
    urls = [one.address.url for one in rest if isinstance(one, ListedAddress)]
    assert urls == ([changed.get("链接url", good["链接url"])] if is_kept else [])
    assert [one.title for one in rest if isinstance(one, ListedAddress)] == [good["标题title"]] * is_kept
