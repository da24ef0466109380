"""The media of a post are found by address and id, and embedded within bounds."""

import base64

import pytest

from archive.domain.errors import IntegrityError
from archive.domain.messages import Message
from archive.domain.outcomes import Role
from archive.rendering.media import (
    FILE_TOO_LARGE,
    MAX_AUDIO_VIDEO,
    NOT_DOWNLOADED,
    PAGE_FULL,
    UNREADABLE_FILE,
    UNSUPPORTED_TYPE,
    AddressedFiles,
    EmbeddedFiles,
    PostMedia,
)
from archive.repository.media import ShownMedium, StoredFile
from tests.archive.rendering.making import IMAGE, Files, image
from tests.standin.media import picture

VIDEO = "https://mpvideo.example/1.mp4"


def played(file: StoredFile | None, ident: str = "wxv_1", **more: object) -> ShownMedium:
    values = {"role": "video", "position": 0, "key": VIDEO, "url": VIDEO, "type": "video"}
    values |= {"facts": {"id": ident}, "file": file, "last_outcome": None, "last_reason": ""}
    return ShownMedium(**(values | more))  # type: ignore[arg-type]


def media(*shown: ShownMedium, files: Files | None = None) -> PostMedia:
    return PostMedia(shown, (files or Files()).read)


def test_an_image_is_found_in_any_size_and_the_exact_address_comes_first() -> None:
    large, small = image(1), image(1, url=IMAGE.format(1).replace("/0?", "/300?"), key="small")
    found = media(large, small)
    assert found.find(IMAGE.format(1).replace("https:", "http:")) is large
    assert found.find(small.url + "#imgIndex=3") is small
    assert found.find(IMAGE.format(1).replace("/0?", "/640?")) is large
    assert found.find(IMAGE.format(2)) is None
    assert found.find("") is None


def test_players_are_found_by_id_or_key_and_their_stills_too() -> None:
    video, still = played(None), image(1, role="poster", facts={"id": "wxv_1"})
    found = media(video, still)
    assert found.find_played("video", "wxv_1") is found.find_played("video", VIDEO) is video
    assert media(video, played(None, key="other")).find_played("video", "wxv_1") is video
    assert found.find_played("audio", "wxv_1") is None
    assert found.find_played("video", "") is None
    assert found.find_still("", "wxv_1") is found.find_still(still.url, "") is still
    assert found.of_role(Role.POSTER, Role.VIDEO) == [still, video]


def test_a_file_that_cannot_be_read_is_recorded() -> None:
    def damaged(_: StoredFile) -> bytes:
        raise IntegrityError("aa/bb/x.png is not what was stored")

    files = Files()
    gone = files.keep(picture("synthetic_gone"))
    files.contents.clear()
    missing, broken = media(files=files), PostMedia([], damaged)
    assert missing.content(gone) is broken.content(gone) is None
    assert (len(missing.problems), missing.damaged) == (1, False)
    assert (str(broken.problems[0]), broken.damaged) == ("aa/bb/x.png is not what was stored", True)


def test_an_embedded_file_is_a_data_address_with_its_content() -> None:
    files = Files()
    content = picture("synthetic_embedded")
    medium = image(1, files.keep(content))
    embedded = EmbeddedFiles(media(medium, files=files))
    placeholder, why = embedded.put(medium)
    assert why == ""
    assert placeholder.startswith("mparchive:")
    assert embedded.background(medium.url) == "var(--mparchive-0)"
    data = base64.b64encode(content).decode()
    assert embedded.variables == f':root{{--mparchive-0:url("data:image/png;base64,{data}");}}'
    assert embedded.background(IMAGE.format(9)) is None


@pytest.mark.parametrize(
    ("media_type", "medium_type", "why"),
    [
        ("image/png", "image", ""),
        ("image/svg+xml", "image", ""),
        ("image/tiff", "image", UNSUPPORTED_TYPE),
        ("text/html", "video", UNSUPPORTED_TYPE),
        ("video/mp4", "video", ""),
        ('video/mp4";x', "video", UNSUPPORTED_TYPE),
        ("audio/mpeg", "video", UNSUPPORTED_TYPE),
    ],
)
def test_only_types_that_browsers_show_are_embedded(media_type: str, medium_type: str, why: str) -> None:
    files = Files()
    medium = played(files.keep(b"x", media_type), type=medium_type)
    assert EmbeddedFiles(media(medium, files=files)).put(medium)[1] == why


def test_it_is_said_why_a_file_is_not_embedded() -> None:
    files = Files()
    stored = files.keep(picture("synthetic_small"))
    reason = Message("archive.verbatim", {"text": "404"})
    long = StoredFile(bytes(32), MAX_AUDIO_VIDEO + 1, "video/mp4", None, None, "x.mp4")
    embedded = EmbeddedFiles(media(files=files))
    assert embedded.put(None) == ("", NOT_DOWNLOADED)
    assert embedded.put(image(1)) == ("", NOT_DOWNLOADED)
    assert embedded.put(image(1, last_reason=reason)) == ("", "404")
    assert embedded.put(played(long)) == ("", FILE_TOO_LARGE)
    full = EmbeddedFiles(media(files=files), max_length=stored.size)
    assert full.put(image(1, stored)) == ("", PAGE_FULL)
    files.contents.clear()
    assert embedded.put(image(1, stored)) == ("", UNREADABLE_FILE)


def test_a_file_in_a_web_archive_stands_at_its_own_address_whatever_its_size() -> None:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_addressed")))
    odd = image(2, medium.file, url='https://mmbiz.qpic.cn/a");}</style>\f', key="odd")
    files.contents.clear()  # none is read
    addressed = AddressedFiles(media(medium, odd, files=files), max_length=0)
    placeholder, why = addressed.put(medium)
    assert (addressed.sources.get(placeholder), why) == (medium.url, "")
    assert (
        addressed.put(image(3, last_reason=Message("archive.verbatim", {"text": "404"})))[1] == NOT_DOWNLOADED
    )
    assert addressed.put(image(4, medium.file, url=""))[1] == NOT_DOWNLOADED
    addressed.background(odd.url)
    assert addressed.variables == (
        ':root{--mparchive-0:url("https://mmbiz.qpic.cn/a%22);}%3C/style%3E%0C");}'
    )


def test_media_without_some_files_are_otherwise_the_same() -> None:
    files = Files()
    first, second = (image(number, files.keep(picture(f"synthetic_{number}"))) for number in (1, 2))
    found = media(first, second, files=files).without_files({first.url}).shown
    assert [medium.file is None for medium in found] == [True, False]
    assert [medium.url for medium in found] == [first.url, second.url]


def test_each_use_of_a_file_counts_against_the_bound_of_the_page() -> None:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_often")))
    assert medium.file is not None
    embedded = EmbeddedFiles(media(medium, files=files), max_length=medium.file.size * 4 // 3 * 2 + 100)
    assert [embedded.put(medium)[1] for _ in range(3)] == ["", "", PAGE_FULL]
