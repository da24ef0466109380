"""The body of a post shows all that it shows on its page, and frames where something is missing."""

import pytest
from bs4 import BeautifulSoup

from archive.domain.messages import Message
from archive.domain.outcomes import Kind
from archive.rendering.media import NOT_DOWNLOADED, EmbeddedFiles, PostMedia
from archive.rendering.post_body import plain_post, render_body, text_markup
from archive.repository.media import ShownMedium
from tests.archive.rendering.making import IMAGE, Files, image, post
from tests.standin.media import picture

VIDEO = "https://mpvideo.example/1.mp4"


def video(**more: object) -> ShownMedium:
    facts = {"id": "wxv_1", "title": "片名", "author": "作者", "duration_ms": 66_000}
    values = {"role": "video", "position": 0, "key": "wxv_1", "url": VIDEO, "type": "video", "facts": facts}
    values |= {"file": None, "last_outcome": None, "last_reason": ""}
    return ShownMedium(**(values | more))  # type: ignore[arg-type]


def rendered(of: object, *media: ShownMedium, files: Files | None = None) -> BeautifulSoup:
    embedded = EmbeddedFiles(PostMedia(media, (files or Files()).read))
    return BeautifulSoup(render_body(of, embedded), "lxml")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("一\r二", "<p>一</p><p>二</p>"),
        ("一\r\r二\r", "<p>一</p><p><br></p><p>二</p>"),
        ("a&nbsp;&lt;b&gt;", "<p>a\xa0&lt;b&gt;</p>"),
        ("<script>", "<p>&lt;script&gt;</p>"),
        ("", ""),
    ],
)
def test_a_text_becomes_paragraphs_and_is_never_markup(text: str, markup: str) -> None:
    assert text_markup(text) == markup


def test_a_body_without_words_gets_the_stored_text() -> None:
    body = plain_post(post("<p></p>"), PostMedia([], Files().read), text_markup("第一段"))
    assert body.get_text() == "第一段"
    body = plain_post(post("<p>字</p>"), PostMedia([], Files().read), text_markup("第一段"))
    assert body.get_text() == "字"


def test_the_images_of_a_post_without_html_stand_above_its_text() -> None:
    media = [image(1, facts={"width": 60, "height": 30}), image(2, facts={"width": 60, "height": True})]
    body = plain_post(post(None), PostMedia(media, Files().read), text_markup("字"))
    first, second, _ = body.find_all("p")
    assert first.img is not None
    assert second.img is not None
    assert first.img.attrs == {"src": IMAGE.format(1), "width": "60", "height": "30"}
    assert second.img["src"] == IMAGE.format(2)


@pytest.mark.parametrize(("kind", "first"), [(Kind.VIDEO, True), (Kind.ARTICLE, False)])
def test_a_player_that_the_body_lacks_is_added_where_its_kind_of_post_has_it(kind: Kind, first: bool) -> None:
    soup = rendered(post("<p>字</p>", kind=kind), video())
    words = soup.get_text(" ").split()
    assert words[:2] == (["视频", "片名"] if first else ["字", "视频"])
    assert words.count("片名") == 1


def test_a_player_that_the_body_shows_is_not_added_again() -> None:
    frame = '<iframe class="video_iframe" data-mpvid="wxv_1"></iframe>'
    soup = rendered(post(frame), video())
    (card,) = soup.select(".mparchive-card")
    words = card.get_text(" ")
    assert all(word in words for word in ("片名", "作者", "1:06", f"not archived: {NOT_DOWNLOADED}", VIDEO))


def test_an_archived_video_plays_and_an_unknown_one_is_named() -> None:
    files = Files()
    medium = video(file=files.keep(b"video", "video/mp4"))
    (player,) = rendered(post("<p>字</p>"), medium, files=files).find_all("video")
    assert str(player["src"]).startswith("data:video/mp4;base64,")
    unknown = post("<p>字</p>", page_metadata={"audios": [{"id": "a1"}, "no facts"]})
    assert "音频 id a1" in rendered(unknown).get_text(" ")


def test_an_archived_image_is_embedded_in_its_own_size() -> None:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_body")))
    soup = rendered(post(f'<img data-src="{medium.url}" data-w="9" data-ratio="1">'), medium, files=files)
    (shown,) = soup.find_all("img")
    assert str(shown["src"]).startswith("data:image/png;base64,")
    assert (shown["width"], shown["height"]) == ("240", "160")


def test_a_frame_of_its_shape_shows_the_address_of_a_missing_image_and_why() -> None:
    medium = image(1, last_reason=Message("archive.verbatim", {"text": "404"}))
    soup = rendered(post(f'<img data-src="{medium.url}" data-w="600" data-ratio="0.5">'), medium)
    (frame,) = soup.select(".mparchive-missing")
    assert [line.get_text() for line in frame.find_all("span")][1:] == ["404", medium.url]
    assert "aspect-ratio:600 / 300" in str(frame["style"]).replace("600/300", "600 / 300")
    assert soup.find("img") is None


def test_a_missing_background_has_a_frame_only_where_nothing_else_is_shown() -> None:
    style = f"background-image:url({IMAGE.format(1)})"
    soup = rendered(post(f'<section style="{style}"></section><section style="{style}">字</section>'))
    (frame,) = soup.select(".mparchive-missing")
    assert IMAGE.format(1) in frame.get_text()
    assert "url(" not in str(soup)
