"""Media files come back from WARC and WACZ files by the command, and nothing else does in their place."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from archive.domain.captures import CaptureData
from crawler.parse.page import classify
from tests.acceptance.command import NOWHERE, Command
from tests.archive.making import NOW
from tests.mparchive.importers.test_warc import DATE, Writer
from tests.standin import Standin
from tests.standin.media import EVIL_SVG, STYLE_SHEETS, SVG, bomb_png, picture, style_sheet, styled
from tests.standin.pages import Shown
from tests.standin.posts import POSTS, RICH
from tests.support.database import database_from

pytestmark = pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer
KEPT = """
    SELECT key, url, type, encode(sha256, 'hex'), size, media_type, width, height, path, first_stored_at
    FROM media LEFT JOIN files ON files.id = file_id ORDER BY key
"""
TIED = """
    SELECT aid, role, position, key, post_media.page_metadata::text FROM post_media
    JOIN media ON media.id = medium_id JOIN posts ON posts.id = post_id ORDER BY aid, role, position, key
"""
FILES = "SELECT count(*) FROM files"
PAGE = b"".join(Shown(RICH).render(2000))
STYLE = style_sheet("synthetic_index")
CAPTURE = CaptureData(RICH.url, RICH.url, 200, (), PAGE, NOW)
PICTURES = [medium.url for medium in classify(CAPTURE).media if medium.role.type == "image"]


@pytest.fixture
def other(mparchive: Command, tmp_path: Path, server_url: str, template: str) -> Iterator[Command]:
    """Return the command with a second, empty archive and no server."""
    home = tmp_path / "other"
    home.mkdir()
    for url in database_from(server_url, f"TEMPLATE {template}"):
        yield replace(mparchive, database_url=url, home=home)


@pytest.fixture
def full(
    mparchive_at: Callable[[str], Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """Return the command with an archive that has all media of its posts; its server is gone."""
    monkeypatch.setenv("MPARCHIVE_MEDIA_TYPES", "image,style,audio,video")
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{post.url}\n" for post in POSTS), encoding="utf-8")
    with Standin(styled=True) as standin:
        command = mparchive_at(standin.origin)
        done = command("backfill", listed)
        assert done.code == 0, done.err
    yield replace(command, loopback=NOWHERE)


def exported(command: Command, name: str) -> Path:
    path = command.home / name
    done = command("export", "--format", path.suffix[1:], "--output", path)
    assert done.code == 0, done.err
    return path


def test_an_archive_comes_back_with_all_it_shows_and_without_any_server(
    full: Command, other: Command
) -> None:
    taken = other("backfill", exported(full, "a.wacz"), "--json")
    assert taken.code == 0, taken.err
    counts = taken.json["counts"]
    kept = counts["images_kept"] + counts["style_sheets_kept"]
    assert kept == full.number("SELECT count(file_id) FROM media") > 10
    assert counts["style_sheets_kept"] == len(STYLE_SHEETS)
    assert {kind for (kind,) in other.rows("SELECT type FROM media WHERE file_id IS NOT NULL")} == {
        "image",
        "audio",
        "video",
        "style",
    }
    for query in (KEPT, TIED):
        assert other.rows(query) == full.rows(query)
    assert other.findings() == []
    page = full("show", RICH.aid, "--html").out
    assert b"data:image/svg+xml" in page
    assert other("show", RICH.aid, "--html").out == page
    for name in ("a.wacz", "a.warc"):
        assert exported(other, name).read_bytes() == exported(full, name).read_bytes()
    again = other("backfill", full.home / "a.warc", "--no-fetch", "--json")
    assert (again.code, again.json["counts"].get("images_kept")) == (0, None)


def test_a_signed_address_that_a_later_page_has_anew_is_that_of_the_file_again(
    full: Command, other: Command
) -> None:
    full.execute("UPDATE media SET url = url || '&dis_k=earlier' WHERE type IN ('audio', 'video')")
    assert other("backfill", exported(full, "a.wacz"), "--no-fetch").code == 0
    assert other.rows(KEPT) == full.rows(KEPT)
    assert exported(other, "b.wacz").read_bytes() == (full.home / "a.wacz").read_bytes()


def test_an_import_that_is_killed_is_completed_by_the_same_command(full: Command, other: Command) -> None:
    path = exported(full, "a.wacz")
    running = other.start("backfill", path, "--no-fetch")
    while not other.number(FILES) and running.poll() is None:
        pass
    tree = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.wait()
    psutil.wait_procs(tree, timeout=30)
    assert other("backfill", path, "--no-fetch").code == 0
    assert other.rows(KEPT) == full.rows(KEPT)
    assert other.findings() == []


def test_what_is_not_wanted_is_left_in_the_file(full: Command, other: Command) -> None:
    path = exported(full, "a.warc")
    assert other("backfill", path, "--no-fetch", "--dry-run").code == 0
    assert other.number("SELECT count(*) FROM captures") == 0
    assert other("backfill", path, "--no-fetch", "--no-media").code == 0
    assert other.number(FILES) == 0
    one = other("backfill", path, "--no-fetch", "--limit", 1, "--json")
    assert (one.code, other.number("SELECT count(*) FROM media WHERE file_id IS NULL")) == (0, 0)


def test_anybodys_picture_is_taken_whether_it_comes_before_its_page_or_after(other: Command) -> None:
    first, second, third = PICTURES[:3]
    writer = Writer(packed=True).add(picture("first"), first.replace("https:", "http:"))
    writer.add(picture("nobody"), "https://mmbiz.qpic.cn/mmbiz_png/strange/0?wx_fmt=png")
    css = [("Content-Type", "text/css")]
    writer.add(styled(PAGE), RICH.url).add(STYLE, STYLE_SHEETS[0].replace("https:", "http:"), headers=css)
    writer.add(STYLE, "https://res.wx.qq.com/of_no_page.css", headers=css).add(
        gzip.compress(picture("second")), second, headers=[("Content-Encoding", "gzip")]
    )
    writer.add(b"", third, status="302 Found")
    writer.add(b"x", "https://mmbiz.qpic.cn/other", kind="resource", mparchive_medium="no%00key")
    taken = other("backfill", "-", "--no-fetch", "--json", stdin=writer.content)
    assert taken.code == 0, taken.err
    assert (taken.json["counts"]["images_kept"], taken.json["counts"]["passed_over"]) == (2, 4)
    assert taken.json["counts"]["style_sheets_kept"] == 1
    rows = other.rows(
        "SELECT size, first_stored_at FROM media JOIN files ON files.id = file_id ORDER BY size"
    )
    files = (picture("first"), picture("second"), STYLE)
    assert [size for size, _ in rows] == sorted(map(len, files))
    assert {at.strftime("%Y-%m-%dT%H:%M:%SZ") for _, at in rows} == {DATE}
    assert other.findings() == []


def test_what_is_no_picture_is_named_and_the_rest_is_taken(other: Command) -> None:
    good = picture("good")
    writer = Writer().add(PAGE, RICH.url)
    writer.add(b"<!doctype html><html>busy</html>", PICTURES[0])
    writer.add(EVIL_SVG, PICTURES[0])
    writer.add(bomb_png(), PICTURES[0])
    writer.add(gzip.compress(bytes(40_000_000)), PICTURES[0], headers=[("Content-Encoding", "gzip")])
    writer.add(good[:-50], PICTURES[0])
    writer.add(SVG.format(colour="123456").encode(), PICTURES[0])
    writer.add(good, PICTURES[0], headers=[("Content-Length", str(len(good) + 1))])
    writer.add(good, PICTURES[0], mparchive_medium="https%3A//mmbiz.qpic.cn/other")
    writer.add(good, PICTURES[0]).add(picture("late"), PICTURES[0]).add(picture("next"), PICTURES[1])
    path = other.home / "a.warc"
    path.write_bytes(writer.content.replace(b"#123456", b"#123457"))
    taken = other("backfill", path, "--no-fetch", "--json")
    assert (taken.code, taken.json["counts"]["images_kept"], taken.json["counts"]["new"]) == (3, 2, 1)
    words = (
        "a web page, not an image", "a <script>", "pixels", "more than", "cannot be decoded",
        "do not match its digest", f"of its {len(good) + 1} bytes", "but says that it is of",
    )  # fmt: skip
    told = taken.err.splitlines()
    assert len(told) == len(words)
    for number, (line, said) in enumerate(zip(told, words, strict=True), 2):
        assert f"record {number} at byte" in line
        assert said in line
    kept = other.rows("SELECT size FROM media JOIN files ON files.id = file_id ORDER BY 1")
    assert kept == sorted((len(one),) for one in (good, picture("next")))
    assert other.number("SELECT count(*) FROM media WHERE file_id IS NULL AND attempts > 0") == 0
    assert other.findings() == []
