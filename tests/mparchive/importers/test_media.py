"""Media files are looked up by key and address, stored once, and rejected where they are not valid."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select

from archive.db.engine import transaction
from archive.db.models import File, Medium
from archive.domain.messages import Message
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.media import due_media, store_file
from crawler.media.settings import MAX_IMAGE_BYTES
from crawler.parse.response import FetchedPage
from mparchive.importers.items import AwaitedMedium, Flaw, MediumName, SavedMedium, Skipped
from mparchive.importers.media import ALREADY_STORED, MediaImporter
from tests.archive.making import NOW, article, capture, image, kept_file, record, video
from tests.standin.media import picture

A, B = image("a").url, image("b").url
VIDEO = video().url


@pytest.fixture
def importer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MediaImporter]:
    """Yield an importer for an archive of a post with two images and a video."""
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path_factory.mktemp("home")))
    with transaction(engine) as session:
        (number,) = store_captures(session, None, [(None, capture())])
        page = article(record(), media=(image("a"), image("b"), video()))
        store_parse_results(session, None, [(number, page)], NOW, 1)
    with MediaImporter.opened(engine) as importer:
        yield importer


def name(address: str, key: str = "") -> MediumName:
    return MediumName(address, key or address)


def saved(content: bytes, awaited: tuple[AwaitedMedium, ...], url: str = A) -> SavedMedium:
    headers = (("Content-Type", "image/png"),)
    response = FetchedPage(None, url, url, 200, headers, content, NOW)
    return SavedMedium("a.warc", Message("archive.verbatim", {"text": "record 1"}), awaited, url, response)


def addresses(found: list[tuple[AwaitedMedium, ...]]) -> list[list[str]]:
    return [[one.medium.url for one in awaited] for awaited in found]


def test_media_are_found_by_key_and_by_address_in_order(importer: MediaImporter) -> None:
    names = [name(B), name("https://elsewhere.example/x"), name(A), name("https://signed.example/", "wxv_1")]
    assert addresses(importer.find(names)) == [[B], [], [A], [VIDEO]]


def test_a_video_whose_address_is_recorded_with_its_signature_is_found(importer: MediaImporter) -> None:
    assert addresses(importer.find([name(VIDEO)])) == [[VIDEO]]


def test_each_type_of_medium_has_its_own_bound(
    importer: MediaImporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_MAX_VIDEO_MB", "3")
    (picture_,), (film,) = importer.find([name(A), name(VIDEO)])
    assert picture_.max_bytes == MAX_IMAGE_BYTES
    assert 3_000_000 <= film.max_bytes <= 3 * 1024**2


def test_a_medium_with_a_file_is_not_awaited(importer: MediaImporter, engine: Engine) -> None:
    with transaction(engine) as session:
        medium = next(one for one in due_media(session, NOW, 3, types=["image"]) if one.url == A)
        store_file(session, medium.id, kept_file(), NOW)
    assert addresses(importer.find([name(A), name(B)])) == [[], [B]]


def test_a_file_is_stored_once_and_one_that_is_no_image_is_a_flaw(
    importer: MediaImporter, engine: Engine
) -> None:
    for_a, for_b = importer.find([name(A), name(B)])
    flaw = importer.store(saved(b"<html>busy</html>", for_b, B))
    assert isinstance(flaw, Flaw)
    assert str(flaw).startswith("a.warc, record 1: ")
    assert importer.store(saved(picture("synthetic_a"), for_a)) is None
    assert importer.store(saved(picture("synthetic_a"), for_a)) == Skipped("a.warc", 1, ALREADY_STORED)
    with transaction(engine) as session:
        files = session.execute(select(Medium.url, File.size).join(File)).all()
    assert [tuple(row) for row in files] == [(A, len(picture("synthetic_a")))]
