"""A WACZ has the WARC file with an index that finds each record, the posts, and hashes of all members."""

import gzip
import io
import json
import struct
import subprocess
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import Engine, func, select
from warcio.archiveiterator import ArchiveIterator

from archive.db.engine import transaction
from archive.db.models import Capture, Post
from archive.export.replay_pages import MADE_PAGES
from archive.export.wacz import write_wacz
from archive.export.warc import Hooks, write_warc
from archive.repository.capture_selection import Selection
from archive.storage.media_files import MediaFolder

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(tempfile|Temporary).*"
)  # warcio leaves its own to the collector


def wacz(engine: Engine, folder: MediaFolder, path: Path, chosen: Selection = Selection()) -> Path:  # noqa: B008
    with path.open("w+b") as out, transaction(engine) as session:
        write_wacz(session, chosen, folder, out)
    return path


@pytest.fixture(scope="module")
def path(filled: Engine, folder: MediaFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wacz(filled, folder, tmp_path_factory.mktemp("wacz") / "a.wacz")


def members(path: Path) -> dict[str, bytes]:
    with ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def pages(path: Path, name: str = "pages/pages.jsonl") -> list[dict]:
    head, *lines = map(json.loads, members(path)[name].splitlines())
    assert head["format"] == "json-pages-1.0"
    return lines


def test_two_exports_are_the_same_bytes_and_leave_no_other_file(
    filled: Engine, folder: MediaFolder, path: Path, tmp_path: Path
) -> None:
    assert wacz(filled, folder, tmp_path / "again").read_bytes() == path.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == ["again"]


def test_the_format_is_valid(path: Path) -> None:
    valid = Path(sys.executable).with_name("wacz")
    done = subprocess.run([valid, "validate", "-f", path], capture_output=True, check=False)
    assert b"Validation succeeded" in done.stdout, done.stdout + done.stderr


def test_it_holds_the_warc_and_a_page_for_each_post_that_has_one(
    filled: Engine, folder: MediaFolder, path: Path
) -> None:
    out = io.BytesIO()
    with transaction(filled) as session:
        write_warc(session, Selection(), folder, out)
        assert len(pages(path)) == session.scalar(select(func.count(Post.capture_id)))
    assert members(path)["archive/data.warc.gz"] == out.getvalue()
    assert all(page["url"].startswith(MADE_PAGES) and page["title"] for page in pages(path))
    assert not any("\r" in page["text"] for page in pages(path))
    captured = pages(path, "pages/extraPages.jsonl")
    assert all(page["url"].startswith("https://mp.weixin.qq.com/") for page in captured)
    assert [(page["title"], page["ts"]) for page in captured] == [
        (page["title"], page["ts"]) for page in pages(path)
    ]


def test_the_local_fields_of_each_member_are_as_long_as_those_in_the_directory(path: Path) -> None:
    """A program that reads parts of the file, as replayweb.page does, knows only the directory."""
    with ZipFile(path) as file:
        found = file.infolist()
    content = path.read_bytes()
    for member in found:
        (length,) = struct.unpack_from("<H", content, member.header_offset + 28)
        assert length == len(member.extra) == 0


def test_a_post_whose_page_cannot_be_made_is_listed_with_its_captured_page(
    filled: Engine, folder: MediaFolder, tmp_path: Path
) -> None:
    failing = Hooks(render=lambda shown: 1 / 0)
    with (tmp_path / "a.wacz").open("w+b") as out, transaction(filled) as session:
        result = write_wacz(session, Selection(), folder, out, failing)
    listed = pages(tmp_path / "a.wacz")
    assert result.failed == len(listed) > 0
    assert all(page["url"].startswith("https://mp.weixin.qq.com/") for page in listed)


def test_every_line_of_the_index_finds_its_record(path: Path) -> None:
    content = members(path)
    lines = gzip.decompress(content["indexes/index.cdx.gz"]).decode().splitlines()
    assert len(lines) > 20
    for line in lines:
        entry = json.loads(line.split(" ", 2)[2])
        begin = int(entry["offset"])
        piece = content["archive/data.warc.gz"][begin : begin + int(entry["length"])]
        (record,) = ArchiveIterator(io.BytesIO(piece))
        assert record.rec_headers["WARC-Target-URI"] == entry["url"]


def test_the_description_has_the_hash_of_each_member_and_the_time_of_the_latest_capture(
    filled: Engine, path: Path
) -> None:
    content = members(path)
    package = json.loads(content["datapackage.json"])
    assert {one["path"]: one["hash"] for one in package["resources"]} == {
        name: f"sha256:{sha256(content[name]).hexdigest()}"
        for name in content
        if not name.startswith("datapackage")
    }
    with transaction(filled) as session:
        latest = session.scalars(select(func.max(Capture.fetched_at))).one()
    assert package["created"] == f"{latest:%Y-%m-%dT%H:%M:%SZ}"
    digest = json.loads(content["datapackage-digest.json"])
    assert digest["hash"] == f"sha256:{sha256(content['datapackage.json']).hexdigest()}"


def test_a_selection_has_only_its_own_posts(filled: Engine, folder: MediaFolder, tmp_path: Path) -> None:
    with transaction(filled) as session:
        day = session.scalars(select(func.max(Post.published_on)).where(Post.capture_id.is_not(None))).one()
    found = pages(wacz(filled, folder, tmp_path / "day", Selection(since=day, until=day)))
    assert found
    assert all(page["title"].endswith(f"({day})") for page in found)
    nothing = wacz(
        filled, folder, tmp_path / "none", Selection(since=date(1999, 1, 1), until=date(1999, 1, 1))
    )
    assert pages(nothing) == []
