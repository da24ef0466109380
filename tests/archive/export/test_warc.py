"""A WARC file is read back by warcio, and is the same bytes every time."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from archive.db.engine import transaction
from archive.db.models import Account, Capture, File, Post
from archive.export.replay_pages import MADE_PAGES
from archive.export.result import ExportResult
from archive.export.warc import write_warc
from archive.repository.capture_selection import Selection
from archive.storage.media_files import MediaFolder
from tests.archive.filled import PICTURES, answers
from tests.archive.integrity.checks.mutations import BENEATH

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(tempfile|Temporary).*"
)  # warcio leaves its own to the collector


def _warc(engine: Engine, folder: MediaFolder, chosen: Selection = Selection()) -> tuple[bytes, ExportResult]:  # noqa: B008
    out = io.BytesIO()
    with transaction(engine) as session:
        written = write_warc(session, chosen, folder, out)
    return out.getvalue(), written


def _records(warc: bytes) -> list:
    found = []
    for record in ArchiveIterator(io.BytesIO(warc), check_digests="raise"):
        record.content = record.content_stream().read()
        found.append(record)
    return found


def _kinds(records: list) -> dict[str, int]:
    kinds = [record.rec_type for record in records]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def test_every_answer_is_in_a_warc_with_what_is_known_of_it(filled: Engine, folder: MediaFolder) -> None:
    warc, written = _warc(filled, folder)
    records, kept = _records(warc), answers()
    pages = _made_pages(records)
    assert (written.captures, written.missing) == (len(kept), 0)
    served = [one for one in kept if one.headers and not one.rendered]
    assert _kinds(records) == {
        "warcinfo": 1,
        "metadata": len(kept),
        "request": len(served),
        "response": len(served) - 2,
        "revisit": 2,
        "conversion": 1,
        "resource": 1 + PICTURES + len(pages) + 1,
    }
    responses = [record for record in records if record.rec_type == "response"]
    bodies = {one.body for one in served}
    assert {record.content for record in responses} == bodies
    assert all(record.rec_headers["WARC-Date"].endswith(".001234Z") for record in responses)
    http = responses[0].http_headers
    assert http["Content-Length"] == str(len(responses[0].content))
    assert (http["Content-Encoding"], http["X-Archive-Orig-Content-Encoding"]) == (None, "gzip")
    ids = [record.rec_headers["WARC-Record-ID"] for record in records]
    assert len(set(ids)) == len(ids)
    revisits = [record for record in records if record.rec_type == "revisit"]
    assert {one.rec_headers["WARC-Refers-To"] for one in revisits} == {
        responses[0].rec_headers["WARC-Record-ID"]
    }


def _made_pages(records: list) -> list:
    return [record for record in records if record.rec_headers["mparchive-made-from"]]


def test_pages_for_replay_come_last_and_say_from_which_record_they_are_made(
    filled: Engine, folder: MediaFolder
) -> None:
    records = _records(_warc(filled, folder)[0])
    pages = _made_pages(records)
    with transaction(filled) as session:
        assert len(pages) == session.scalar(select(func.count(Post.capture_id)))
    assert records[-1 - len(pages) : -1] == pages
    assert records[-1].rec_headers["WARC-Target-URI"] == MADE_PAGES
    captured = {
        (
            f"{record.rec_headers['WARC-Target-URI']} {record.rec_headers['WARC-Payload-Digest']}",
            record.rec_headers["WARC-Date"],
        )
        for record in records[: -1 - len(pages)]
    }
    for page in pages:
        made_from = page.rec_headers["mparchive-made-from"], page.rec_headers["WARC-Date"]
        assert made_from in captured
        assert page.rec_headers["WARC-Target-URI"].startswith(MADE_PAGES)
        assert made_from[0].split()[0].replace("&", "&amp;").encode() in page.content


SCRIPT = """
import sys
from archive.db.settings import ArchiveSettings
from archive.db.engine import open_archive, transaction
from archive.export import Selection, write_warc
from archive.storage.media_files import MediaFolder
settings = ArchiveSettings()
with open_archive(settings) as engine, transaction(engine) as session:
    write_warc(session, Selection(), MediaFolder(settings), sys.stdout.buffer)
"""


def test_two_exports_by_two_processes_are_the_same_bytes(filled: Engine, folder: MediaFolder) -> None:
    environment = {
        "MPARCHIVE_DATABASE_URL": filled.url.render_as_string(hide_password=False),
        "MPARCHIVE_MEDIA": folder._root,
        "PYTHONHASHSEED": "7",
        "TZ": "America/New_York",
    }
    again = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=True)
    assert again.stdout == _warc(filled, folder)[0]


def test_one_accounts_part_of_a_day_is_only_that(filled: Engine, folder: MediaFolder) -> None:
    with transaction(filled) as session:
        post = session.scalars(select(Post).order_by(Post.id).limit(1)).one()
        biz, day = session.get_one(Account, post.account_id).biz, post.published_on
        same = (Post.account_id == post.account_id) & (Post.published_on == day)
        aids = set(session.scalars(select(Post.aid).where(same)))
    records = _records(_warc(filled, folder, Selection(biz, since=day, until=day))[0])
    metadata = [record.content.decode() for record in records if record.rec_type == "metadata"]
    told = {line for block in metadata for line in block.splitlines() if line.startswith("aid: ")}
    assert told == {f"aid: {aid}" for aid in aids}
    whole = _records(_warc(filled, folder, Selection(biz))[0])
    assert any(b"outcome: deleted" in record.content for record in whole)


def test_what_cannot_be_read_is_left_out_and_named(filled: Engine, folder: MediaFolder) -> None:
    with Session(filled) as session:
        number = session.scalars(select(func.min(Capture.id))).one()
        session.execute(text(BENEATH))
        session.execute(update(Capture).where(Capture.id == number).values(sha256=bytes(32)))
        first = select(func.min(File.id)).scalar_subquery()
        session.execute(update(File).where(File.id == first).values(path="ab/cd/gone.png"))
        written = write_warc(session, Selection(), folder, io.BytesIO())
        session.rollback()
    assert (written.captures, written.missing, written.damaged) == (len(answers()) - 1, 2, True)
    assert str(written.problems[0]).startswith(f"capture {number}: ")
    assert "ab/cd/gone.png" in str(written.problems[1])


def test_warcio_finds_nothing_wrong(filled: Engine, folder: MediaFolder, tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(_warc(filled, folder)[0])
    checker = Checker(type("Arguments", (), {"inputs": [str(path)], "verbose": False}))
    checker.process_all()
    assert checker.exit_value == 0
