"""WACZ files: the WARC files in them, each damage costing no more than it must."""

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from mparchive.importers import wacz
from mparchive.importers.items import Flaw, InputError, SavedPage
from mparchive.importers.open import Form, open_source
from mparchive.importers.wacz import read_wacz
from tests.mparchive.importers.test_warc import PAGE, Item, Writer, bodies

pytestmark = pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer


def zipped(members: Mapping[str, bytes], packing: int = ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", packing) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return out.getvalue()


def read(folder: Path, content: bytes) -> list[Item]:
    path = folder / "posts.wacz"
    path.write_bytes(content)
    with open_source(str(path)) as source:
        assert source.form is Form.WACZ
        return list(read_wacz(source.stream, "posts.wacz"))


def test_every_warc_file_in_it_is_read_and_nothing_else(tmp_path: Path) -> None:
    one, two = Writer(packed=True).pages(2).content, Writer().pages(1).content
    members = {"archive/a.warc.gz": one, "archive/b.warc": two, "raw/c.warc": two, "pages/pages.jsonl": b"{}"}
    items = read(tmp_path, zipped(members))
    assert bodies(items) == [PAGE % 1, PAGE % 2, PAGE % 1]
    assert isinstance(items[0], SavedPage)
    assert items[0].name == "posts.wacz, archive/a.warc.gz #1"


def test_a_flipped_bit_costs_its_record(tmp_path: Path) -> None:
    writer = Writer(packed=True).pages(3)
    content = bytearray(zipped({"archive/a.warc.gz": writer.content}))
    at = content.index(writer.content) + writer.starts[1] + 200
    content[at] ^= 1
    assert bodies(read(tmp_path, bytes(content))) == [PAGE % 1, PAGE % 3]


def test_one_that_is_cut_off_or_no_wacz_is_said(tmp_path: Path) -> None:
    whole = zipped({"archive/a.warc": Writer().pages(1).content})
    with pytest.raises(InputError, match="damaged zip"):
        read(tmp_path, whole[:-10])
    with pytest.raises(InputError, match="no WACZ"):
        read(tmp_path, zipped({"word/document.xml": b"<x>"}))


@pytest.mark.slow
def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (flaw,) = read(tmp_path, zipped({"archive/a.warc": b"WARC/1.1" + bytes(10_000_000)}, ZIP_DEFLATED))
    assert isinstance(flaw, Flaw)
    assert "is compressed" in str(flaw)
    monkeypatch.setattr(wacz, "MAX_WARC", 100_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b"WARC/1.1\r\n" + bytes(50_000_000)) + packer.flush()
    (flaw,) = read(tmp_path, zipped({"archive/a.warc.gz": bomb}))
    assert "more than 100000 bytes" in str(flaw)
    monkeypatch.setattr(wacz, "MAX_WARC", 3000)
    many = {f"archive/{number}.warc": Writer().pages(2).content for number in range(3)}
    assert any("more than 3000 bytes" in str(item) for item in read(tmp_path, zipped(many)))
