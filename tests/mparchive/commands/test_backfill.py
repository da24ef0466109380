"""What `mparchive backfill` starts, and what it does not."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from archive.db.engine import transaction
from archive.db.models import Address, Post
from archive.domain.addresses import parse_address
from mparchive.commands.backfill import BATCH, BATCH_CHARACTERS, _batches
from mparchive.importers.dump import DumpEntry
from tests.archive.making import record
from tests.crawler.parse.made import BIZ, page
from tests.mparchive.importers.test_warc import Writer
from tests.standin.week import WEEK

SCRIPT = """
import sys
from mparchive.commands.backfill import BackfillOptions, backfill
code = backfill(BackfillOptions(inputs=(sys.argv[1],), fetch=False, media={media}, json=True))
print(int(code), "mparchive.importers.media" in sys.modules, "crawler.worker.pool" in sys.modules)
"""


@pytest.mark.parametrize("media", [False, True])
def test_nothing_for_media_is_started_unless_media_are_asked_for(
    engine: Engine, tmp_path: Path, media: bool
) -> None:
    environment = {
        **os.environ,
        "MPARCHIVE_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "MPARCHIVE_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(media=media), WEEK[0].url],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"0 {media} {media}"


def test_long_texts_end_a_batch_before_it_has_its_number_of_items() -> None:
    def entries(number: int, characters: int) -> list[DumpEntry]:
        made = replace(record(), text="字" * characters)
        return [DumpEntry(place, made, parse_address(made.url)) for place in range(number)]

    assert [len(batch) for batch in _batches(entries(BATCH * 2 + 1, 9))] == [BATCH, BATCH, 1]
    assert [len(batch) for batch in _batches(entries(9, BATCH_CHARACTERS // 4))] == [4, 4, 1]


ADDRESS = f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=21&idx=1&sn=ab&chksm=cd"

SAVED = f"""<!DOCTYPE html><html><!--
 Page saved with SingleFile
 url: {ADDRESS}
--><head><meta charset="utf-8"></head><body><div id="js_article"><h1 id="activity-name">题</h1>
<a id="js_name">号</a><em id="publish_time">@</em><div id="js_content"><p>字</p></div></div></body></html>"""


def _mparchive(engine: Engine, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "MPARCHIVE_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "MPARCHIVE_HOME": str(home),
        "COLUMNS": "300",
    }
    command = [str(Path(sys.executable).with_name("mparchive")), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_page_that_lacks_a_field_ends_with_3_and_is_named_by_status_and_audit(
    engine: Engine, tmp_path: Path
) -> None:
    saved = tmp_path / "page.html"
    saved.write_text(SAVED.replace("@", "昨天"), encoding="utf-8")
    done = _mparchive(engine, tmp_path, "backfill", str(saved), "--no-fetch", "--no-media")
    assert done.returncode == 3
    assert "page.html" in done.stderr
    assert "the time of publication" in done.stdout + done.stderr
    status = _mparchive(engine, tmp_path, "status", "--json")
    assert "unknown" in status.stdout
    audit = _mparchive(engine, tmp_path, "audit")
    assert "crawler.parse.field.time" in audit.stdout or "the time of publication" in audit.stdout


def test_a_page_saved_without_scripts_becomes_a_post(engine: Engine, tmp_path: Path) -> None:
    saved = tmp_path / "page.html"
    saved.write_text(SAVED.replace("@", "2025年9月1日 00:05"), encoding="utf-8")
    done = _mparchive(engine, tmp_path, "backfill", str(saved), "--no-fetch", "--no-media", "--json")
    assert done.returncode == 0, done.stderr
    assert '"new": 1' in done.stdout
    shown = _mparchive(engine, tmp_path, "show", "21_1", "--json")
    assert "2025-09-01" in shown.stdout


OTHER = ADDRESS.replace("mid=21", "mid=22")


@pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer
@pytest.mark.parametrize("form", ["saved", "SingleFile", "WARC"])
def test_a_page_of_another_post_than_it_is_said_to_be_makes_no_post(
    engine: Engine, tmp_path: Path, form: str
) -> None:
    path, content, options = tmp_path / "page.html", page(), ["--url", OTHER]
    if form == "SingleFile":
        content = SAVED.replace("@", "2025年9月1日 00:05").encode()
    if form == "WARC":
        path, content, options = tmp_path / "a.warc", Writer().add(page(), OTHER).content, []
    path.write_bytes(content)
    done = _mparchive(engine, tmp_path, "backfill", str(path), "--no-fetch", "--no-media", *options)
    words = " ".join((done.stdout + done.stderr).split())
    assert done.returncode in (2, 3)
    assert f"{BIZ} 22_1 was asked for, and the page is another one, {BIZ} 21_1" in words
    with transaction(engine) as session:
        assert session.scalars(select(Post)).all() == []
        (row,) = session.scalars(select(Address))
        assert (row.last_outcome, row.next_fetch_at is None, row.aid) == ("unknown", False, "22_1")
    status = _mparchive(engine, tmp_path, "status")
    assert "given by 1 address" in " ".join(status.stdout.split())
    assert f"{BIZ} 21_1" in " ".join(_mparchive(engine, tmp_path, "audit").stdout.split())


@pytest.mark.parametrize("command", ["backfill", "init", "parse"])
def test_an_empty_argument_is_a_usage_error(engine: Engine, tmp_path: Path, command: str) -> None:
    done = _mparchive(engine, tmp_path, command, "")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "variable is not set" in done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "challenge.html",
            "<html><title>环境异常</title><body>当前环境异常，完成验证后即可继续访问。</body></html>",
        ),
        ("other.html", "<!DOCTYPE html><html><body><p>合成</p></body></html>"),
        ("feeds.opml", '<opml version="2.0"><body><outline xmlUrl="http://127.0.0.1/a"/></body></opml>'),
        ("prose.txt", "没有链接\n"),
    ],
)
def test_a_file_with_nothing_to_import_never_ends_with_0_nor_is_fetched_again(
    engine: Engine, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    done = _mparchive(engine, tmp_path, "backfill", str(tmp_path / name), "--no-fetch", "--no-media")
    assert done.returncode in (2, 3)
    assert name in done.stderr
    assert "again later" not in done.stdout + done.stderr
