"""Media files: their types, ranges, rights, and what is said of missing ones."""

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import select

from archive.db.engine import transaction
from archive.db.models import Medium, PostMedium
from archive.storage.media_files import COVER_SIZE, keep_small_cover, small_path_of
from tests.archive.making import image
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import get, words
from tests.web.seeding import SVG, invented, keep_one, page_of, put_pages
from web.pages.files import MAX_KEPT_COVERS, SmallCovers

_LONG_AGO = datetime(2012, 9, 1, 4, 0, tzinfo=UTC)


def test_a_file_has_its_type_and_ranges_and_runs_nothing(site: SeededSite) -> None:
    with transaction(site.engine) as session:
        reading = invented("12001_1", "合成图", "图。\r", day="2012-09-01")
        media = (image("synthetic_svg"), image("synthetic_bin", 1))
        put_pages(session, [page_of(replace(reading, media=media))], _LONG_AGO)
        rows = select(Medium.id).join(PostMedium).where(Medium.key.contains("synthetic_"))
        svg, binary = session.scalars(
            rows.where(Medium.url.in_([one.url for one in media])).order_by(Medium.url.desc())
        )
    drawing = f"/files/{keep_one(site.engine, site.folder, svg, SVG, 'image/svg+xml')}"
    answer = get(site, drawing)
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")
    other = get(site, f"/files/{keep_one(site.engine, site.folder, binary, b'<script>', 'text/html')}")
    assert other.headers["Content-Type"] == "application/octet-stream"
    assert other.headers["Content-Disposition"].startswith("attachment")
    part = get(site, drawing, Range="bytes=5-8")
    assert (part.status, part.body) == (206, SVG[5:9])
    assert part.headers["Content-Range"] == f"bytes 5-8/{len(SVG)}"
    assert get(site, drawing, Range="bytes=-4").body == SVG[-4:]
    assert get(site, drawing, Range=f"bytes={len(SVG)}-").status == 416
    for unheeded in ("bytes=x-y", "bytes=-", "lines=1-2", "bytes=0-1,3-4"):
        assert get(site, drawing, Range=unheeded).status == 200
    assert get(site, drawing, If_None_Match=answer.headers["ETag"]).status == 304
    assert get(site, f"/files/{'0' * 64}").status == 404
    assert get(site, "/files/..%2f..%2fetc%2fpasswd").status in (400, 404)


def _stored(site: SeededSite, content: bytes, media_type: str = "image/png") -> str:
    with transaction(site.engine) as session:
        numbers = session.scalars(select(Medium.id).where(Medium.type == "image").order_by(Medium.id)).all()
    return keep_one(site.engine, site.folder, numbers[-1], content, media_type)


def _drawn(size: tuple[int, int], form: str = "PNG", mode: str = "RGBA") -> bytes:
    written = BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(written, form)
    return written.getvalue()


@pytest.mark.slow
def test_a_cover_is_a_small_form_of_its_image(site: SeededSite) -> None:
    for form, mode in (("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "L"), ("GIF", "P"), ("WEBP", "RGB")):
        content = _drawn((900, 383), form, mode)
        path = f"/files/{_stored(site, content, f'image/{form.lower()}')}/cover"
        answers = [get(site, path), get(site, path)]
        assert {answer.status for answer in answers} == {200}
        assert answers[0].body == answers[1].body
        assert answers[0].headers["Content-Type"] == "image/jpeg"
        assert "immutable" in answers[0].headers["Cache-Control"]
        assert get(site, path, If_None_Match=answers[0].headers["ETag"]).status == 304
        with Image.open(BytesIO(answers[0].body)) as small:
            assert small.size == COVER_SIZE
        assert len(answers[0].body) < len(content) / 4


def test_a_cover_that_was_made_small_when_it_was_stored_is_not_made_again(site: SeededSite) -> None:
    content = _drawn((300, 130))
    sha256 = bytes.fromhex(_stored(site, content))
    assert keep_small_cover(site.folder, content, sha256)
    kept = site.folder.small_form(sha256)
    site.folder.put_small_form(kept + b"mark", sha256)
    assert keep_small_cover(site.folder, content, sha256)
    assert get(site, f"/files/{sha256.hex()}/cover").body == kept + b"mark"


def test_a_small_form_that_cannot_be_read_is_made_again(site: SeededSite) -> None:
    sha256 = _stored(site, _drawn((301, 131)))
    (site.media / small_path_of(bytes.fromhex(sha256))).mkdir(parents=True)
    answer = get(site, f"/files/{sha256}/cover")
    with Image.open(BytesIO(answer.body)) as small:
        assert (answer.status, small.size) == (200, COVER_SIZE)


@pytest.mark.slow
def test_an_image_that_cannot_be_made_small_is_its_own_cover(site: SeededSite) -> None:
    whole = _drawn((40, 20))
    many = _drawn((5001, 5000), mode="1")
    for content in (whole[: len(whole) // 2], b"not an image", many):
        answer = get(site, f"/files/{_stored(site, content)}/cover")
        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "image/png", content)
    assert get(site, f"/files/{_stored(site, SVG, 'image/svg+xml')}/cover").status == 404
    assert get(site, f"/files/{'0' * 64}/cover").status == 404


def test_the_last_covers_are_kept_and_no_more() -> None:
    covers = SmallCovers()
    made: list[int] = []
    for number in (*range(MAX_KEPT_COVERS + 1), MAX_KEPT_COVERS, 0):
        assert covers.of(number.to_bytes(32), lambda number=number: (made.append(number), b"small")[1])
    assert made == [*range(MAX_KEPT_COVERS + 1), 0]


def test_a_missing_or_damaged_file_is_reported_and_not_shown(site: SeededSite) -> None:
    with transaction(site.engine) as session:
        number = session.scalars(select(Medium.id).where(Medium.type == "image")).first() or 0
    lost = keep_one(site.engine, site.folder, number, b"lost")
    path = next(one for one in site.folder.paths() if lost in one)
    place = site.media / path
    place.write_bytes(b"tampered")
    assert get(site, f"/files/{lost}").status == 500
    place.unlink()
    answer = get(site, f"/files/{lost}")
    assert answer.status == 404
    assert "media folder" in words(answer)
    place.mkdir()
    assert get(site, f"/files/{lost}").status in (500, 503)  # damaged, or the folder away: not shown
    place.rmdir()  # other tests show the post that has it
