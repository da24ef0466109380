"""Downloads that are stored, refused or failed, in this process as in a worker."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select

from archive.db.engine import transaction
from archive.db.models import File, Medium
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.domain.outcomes import MediumOutcome, Role
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.media import DueMedium
from archive.storage import media_files
from archive.storage.media_files import SMALL_FORMS_FOLDER, MediaFolder, small_cover
from crawler.parse.response import FetchedPage
from crawler.pipelines.base import MediaDownload
from crawler.worker import media_tasks, tasks
from tests.archive.making import article, capture, image, record
from tests.crawler.discovery.driving import NOW
from tests.standin.media import picture

URL = "https://mmbiz.qpic.cn/mmbiz_png/synthetic_a/0?wx_fmt=png"
CHALLENGE = b"<!DOCTYPE html><html><script>var PAGE_MID='mmbizwap:secitptpage/verify.html';</script></html>"


@pytest.fixture
def medium(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DueMedium:
    monkeypatch.setattr(tasks._Archive, "engine", engine, raising=False)
    monkeypatch.setattr(tasks._Archive, "settings", ArchiveSettings(media=str(tmp_path)), raising=False)
    row = insert(Medium).values(key=URL, url=URL, type="image", next_fetch_at=NOW)
    with transaction(engine) as session:
        session.execute(row)
    (due,) = media_tasks.due_files(None, 10, ["image"], NOW)
    return due


def download(medium: DueMedium, body: bytes, status: int = 200, **headers: str) -> MediaDownload:
    page = FetchedPage(None, URL, URL, status, tuple(headers.items()), body, NOW)
    return MediaDownload(medium, page, 1024 * 1024)


def state(engine: Engine) -> tuple[str | None, str]:
    with transaction(engine) as session:
        row = session.scalars(select(Medium)).one()
        return row.last_outcome, Message.load(row.last_reason).code


def test_an_image_is_stored_as_a_file(engine: Engine, medium: DueMedium, tmp_path: Path) -> None:
    result = media_tasks.store_or_record(download(medium, picture("synthetic_a")), NOW)
    assert (result.outcome, result.media_type) == (MediumOutcome.KEPT, "image/png")
    (file,) = tmp_path.rglob("*.png")
    assert file.read_bytes() == picture("synthetic_a")
    assert state(engine)[0] == "kept"


@pytest.fixture
def cover(engine: Engine, medium: DueMedium) -> DueMedium:
    """Let a post have the medium as its cover."""
    with transaction(engine) as session:
        page = article(record(), media=(replace(image("a", 0, Role.COVER), key=URL, url=URL),))
        (capture_id,) = store_captures(session, None, [(None, capture())])
        store_parse_results(session, None, [(capture_id, page)], NOW, 1)
    return medium


def test_a_stored_cover_has_its_small_form_before_a_page_asks_for_it(
    engine: Engine, cover: DueMedium, tmp_path: Path
) -> None:
    content = picture("synthetic_a")
    assert media_tasks.store_or_record(download(cover, content), NOW).outcome == "kept"
    folder, digest = MediaFolder(ArchiveSettings(media=str(tmp_path))), sha256(content).digest()
    assert folder.small_form(digest) == small_cover(content) != b""
    (path,) = folder.paths()
    with transaction(engine) as session:
        assert session.scalars(select(File.path)).all() == [path], "the small form is no file of the archive"


def test_an_image_that_is_no_cover_has_no_small_form(medium: DueMedium, tmp_path: Path) -> None:
    media_tasks.store_or_record(download(medium, picture("synthetic_a")), NOW)
    assert not (tmp_path / SMALL_FORMS_FOLDER).exists()


def test_a_cover_is_stored_though_no_small_form_can_be_made_or_written(
    engine: Engine, cover: DueMedium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / SMALL_FORMS_FOLDER).write_bytes(b"no folder")
    assert media_tasks.store_or_record(download(cover, picture("synthetic_a")), NOW).outcome == "kept"
    (tmp_path / SMALL_FORMS_FOLDER).unlink()
    monkeypatch.setattr(media_files, "MAX_COVER_PIXELS", 1)
    assert media_tasks.store_or_record(download(cover, picture("synthetic_b")), NOW).outcome == "kept"
    assert not (tmp_path / SMALL_FORMS_FOLDER).exists()
    assert state(engine) == ("kept", "")


@pytest.mark.parametrize(
    ("body", "status", "outcome", "code", "blocks"),
    [
        (b"<html>", 200, "refused", "crawler.media.web_page", False),
        (b"", 404, "failed", "crawler.media.status", False),
        (b"", 429, "failed", "crawler.media.too_many_requests", True),
        (CHALLENGE, 200, "failed", "crawler.media.blocked.verification", True),
        (b"", 302, "refused", "crawler.media.redirected", False),
        (b"x" * 2_000_000, 200, "refused", "crawler.response.too_large", False),
    ],
)
def test_what_is_no_file_is_recorded_by_code(  # noqa: PLR0917 - the fixtures and one row of the table
    engine: Engine, medium: DueMedium, body: bytes, status: int, outcome: str, code: str, blocks: bool
) -> None:
    result = media_tasks.store_or_record(download(medium, body, status, location="https://x.example/"), NOW)
    assert (result.outcome, result.blocks) == (outcome, blocks)
    assert state(engine) == (outcome, code)


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ("text/css; charset=utf-8", ""),
        ("TEXT/CSS", ""),
        ("", ""),
        ("text/html", "crawler.media.not_declared_style"),
    ],
)
def test_a_style_sheet_that_browsers_would_not_apply_is_refused(
    engine: Engine, medium: DueMedium, declared: str, code: str
) -> None:
    sheet = replace(medium, type="style")
    headers = {"Content-Type": declared} if declared else {}
    result = media_tasks.store_or_record(download(sheet, b"body{}", **headers), NOW)
    assert result.outcome == ("refused" if code else "kept")
    assert state(engine) == (result.outcome, code)


@pytest.mark.parametrize(("body", "outcome"), [(b"a{b:c}", "kept"), (b"a{b:c", "failed")])
def test_a_style_sheet_without_a_length_is_taken_where_it_ends_with_a_rule(
    engine: Engine, medium: DueMedium, body: bytes, outcome: str
) -> None:
    given = download(replace(medium, type="style"), body)
    response = replace(given.response, ended_openly=True)
    assert media_tasks.store_or_record(replace(given, response=response), NOW).outcome == outcome
    assert state(engine) == (outcome, "" if outcome == "kept" else "crawler.media.cut_off")
