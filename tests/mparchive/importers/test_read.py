"""Reading whatever was given, a folder of everything included."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive.domain.address_list import ListedAddress
from mparchive.importers import read
from mparchive.importers.accounts import NamedAccount
from mparchive.importers.dump import DumpEntry
from mparchive.importers.items import Flaw, InputError, SavedPage, Skipped
from mparchive.importers.read import Item, read_inputs
from tests.acceptance.dumps import record
from tests.mparchive.importers.test_warc import Writer

pytestmark = pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer
SHORT = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstu"


def given(*what: Path) -> list[Item]:
    return list(read_inputs([str(one) for one in what]))


def old_script(folder: Path) -> Path:
    """Write the files that lie in the folder of an old script."""
    (folder / "data" / "2025").mkdir(parents=True)
    (folder / ".git").mkdir()
    files = {
        "app.json": '{"articalList": [{"officalAccout": "合成", "fakeId": "Mzk5OTAwMDAwMQ=="}], "token": 1}',
        "data/app_msg_list_20251106_1.csv": f'\ufeff标题title,链接url\n"合成","{SHORT}a"\n',
        "data/2025/page.html": "<html></html>",
        "data/2025/合成_20251106.md": "\ufeff[]",
        "main.py": f'url = "{SHORT}b"\n',
        "requirements.txt": "requests\n",
        "run.log": f"{SHORT}c\n",
        "package.json": '{"name": "x"}',
        "settings.json": "7",
        "empty.txt": "",
        ".git/config": SHORT,
        "notes.tsv": "nothing\n",
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    (folder / "picture.png").write_bytes(b"\x89PNG\0")
    (folder / "urls.txt.gz").write_bytes(gzip.compress(f"{SHORT}d\n".encode()))
    (folder / "wide.csv").write_bytes(f"{SHORT}e\n".encode("utf-16"))
    (folder / "week.warc.gz").write_bytes(Writer(packed=True).pages(1).content)
    os.mkfifo(folder / "pipe.txt")
    return folder


def test_a_folder_gives_what_is_in_it_in_order_and_passes_the_rest_over(tmp_path: Path) -> None:
    items = given(old_script(tmp_path))
    names = [
        item.address.token[-1] if isinstance(item, ListedAddress) else type(item).__name__
        for item in items
        if not isinstance(item, Skipped)
    ]
    # the files of a folder before its folders; the dump without a record is the flaw
    assert names == ["NamedAccount", "d", "SavedPage", "e", "a", "SavedPage", "Flaw"]
    assert [item.number for item in items if isinstance(item, Skipped)] == [8]


def test_a_folder_without_any_input_is_said(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print()")
    (flaw,) = given(tmp_path)
    assert isinstance(flaw, Flaw)
    assert "contains no dump" in str(flaw)


def test_a_folder_of_a_whole_disk_is_not_walked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"\0")
    (flaw,) = given(tmp_path)
    assert "over 3 files" in str(flaw)


def test_one_bad_file_of_a_folder_does_not_spoil_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[" * 500)[:-9])
    (tmp_path / "b.txt").write_text(SHORT)
    flaw, listed = given(tmp_path)
    assert isinstance(flaw, Flaw)
    assert str(flaw).endswith("a.json.gz is a damaged gzip file")
    assert isinstance(listed, ListedAddress)


def test_an_accounts_file_and_a_page_can_be_given_by_themselves(tmp_path: Path) -> None:
    old_script(tmp_path)
    account, page = given(tmp_path / "app.json", tmp_path / "data" / "2025" / "page.html")
    assert account == NamedAccount("Mzk5OTAwMDAwMQ==", "合成")
    assert isinstance(page, SavedPage)


def test_names_that_are_no_utf8_are_those_of_a_windows_in_china(tmp_path: Path) -> None:
    for name, content in {"页面.html": "<html></html>", "坏的.txt": "https://mp.weixin.qq.com/x"}.items():
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name.encode("gb18030"))).write_text(content)
    page, flaw = given(tmp_path)
    assert isinstance(page, SavedPage)
    assert page.name == f"{tmp_path}/页面.html"
    assert str(flaw).startswith(f"{tmp_path}/坏的.txt, line 1: ")


def test_a_name_that_no_file_can_have_is_said() -> None:
    (flaw,) = given(Path("x" * 5000))
    assert str(flaw).endswith("cannot be read: file name too long")


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_input_is_an_error_and_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(SHORT)
    with pytest.raises(InputError, match="variable is not set"):
        list(read_inputs([SHORT, empty]))
    (found,) = read_inputs(["."])
    assert isinstance(found, ListedAddress)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda records: {"code": 0, "data": records},
        lambda records: {one["文章标识符aid"]: one for one in records},
    ],
    ids=["a list in an object", "records by their aid"],
)
def test_records_within_an_object_are_a_dump(
    tmp_path: Path, wrapped: Callable[[list[dict[str, Any]]], object]
) -> None:
    path = tmp_path / "dump.json"
    path.write_bytes(json.dumps(wrapped([record(1), record(2)]), ensure_ascii=False).encode())
    items = given(path)
    assert [one.record.as_dict() for one in items if isinstance(one, DumpEntry)] == [record(1), record(2)]
    assert len(items) == 2
