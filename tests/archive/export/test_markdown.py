"""A post in Markdown has its metadata, its words and its images, and nothing that acts."""

import base64
import html
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from archive.export.markdown import front_matter, render_markdown, write_markdown
from archive.rendering.page import PREVIEW_NOTE, offline_page
from archive.repository.media import ShownMedium
from tests.archive.export.markdown_files import READER, written
from tests.archive.rendering.hostile import ASKING, PRETENDING, RUNNING
from tests.archive.rendering.making import IMAGE, Files, image, post, shown
from tests.standin.media import picture


def test_images_lie_beside_the_post_and_missing_ones_keep_their_address(tmp_path: Path) -> None:
    files = Files()
    kept, lost = image(1, files.keep(picture("synthetic_kept"))), image(2)
    body = f'<p><img data-src="{kept.url}" alt="图[1]"></p><p><img data-src="{lost.url}"></p>'
    _, rest = written(shown(post(body), [kept, lost], files), tmp_path)
    assert kept.file is not None
    assert f"![图 1 ](images/{kept.file.sha256.hex()}.png)" in rest
    assert f"![](<{lost.url}>)" in rest or f"![]({lost.url})" in rest
    (path,) = (tmp_path / "images").iterdir()
    assert path.read_bytes() == picture("synthetic_kept")


def test_the_front_matter_says_what_is_known(tmp_path: Path) -> None:
    facts = {
        "author": "作者", "original": True, "source_url": "https://x.example/",
        "region": {"province": "上海"}, "albums": [{"id": "1", "title": "合集: 一"}],
    }  # fmt: skip
    front, rest = written(
        shown(post("<p>字</p>", title='题: "一" #2', page_metadata=facts), [image(1)]), tmp_path
    )
    assert front == {
        "aid": "1001_1",
        "title": '题: "一" #2',
        "account": "示例账号",
        "author": "作者",
        "date": "2026-03-01",
        "published_at": "2026-03-01T00:30:00+08:00",
        "url": post().url,
        "kind": "article",
        "original": True,
        "region": {"province": "上海"},
        "source_url": "https://x.example/",
        "albums": ["合集: 一"],
        "images": 1,
        "videos": 0,
        "audios": 0,
        "fetched_at": "2026-03-02T12:00:00+08:00",
        "sha256": front["sha256"],
    }
    assert rest.strip().startswith('# 题: "一" #2')


def test_a_paid_post_says_that_only_the_preview_is_there(tmp_path: Path) -> None:
    made = post("<p>字</p>", page_metadata={"paid": True, "preview": True})
    front, rest = written(shown(made), tmp_path)
    assert (front["paid"], front["preview_only"]) == (True, True)
    assert f"> {PREVIEW_NOTE}\n\n字" in rest
    assert PREVIEW_NOTE in offline_page(shown(made))
    whole = post("<p>字</p>", page_metadata={"paid": True, "preview": False})
    front, rest = written(shown(whole), tmp_path)
    assert (front["paid"], "preview_only" in front) == (True, False)
    assert PREVIEW_NOTE not in rest + offline_page(shown(whole))


def test_a_post_without_its_page_is_made_of_its_text_and_says_how_to_fetch_it(tmp_path: Path) -> None:
    made = post(None, capture_id=None, kind=None, text="一&nbsp;&lt;b&gt;\r二 *三*\r", page_metadata={})
    _, rest = written(shown(made), tmp_path)
    assert f"mparchive backfill '{made.url}'" in html.unescape(rest).replace("\\", "")
    assert rest.endswith("\n\n一\xa0&lt;b>\n\n二 \\*三\\*\n")


def test_lines_of_a_plain_text_stay_lines(tmp_path: Path) -> None:
    _, rest = written(shown(post(None, kind="text", text="一\r二\r\r三")), tmp_path)
    assert rest.endswith("一  \n二\n\n三\n")


@pytest.mark.slow
def test_hostile_bodies_leave_no_script_behind(tmp_path: Path) -> None:
    for name, body in (RUNNING | ASKING | PRETENDING).items():
        _, rest = written(shown(post(body)), tmp_path)
        soup = BeautifulSoup(READER.render(rest), "lxml")
        names = {tag.name for tag in soup.find_all(True)}
        handlers = [key for tag in soup.find_all(True) for key in tag.attrs if key.startswith("on")]
        links = [str(tag["href"]) for tag in soup.find_all(href=True)]
        assert not names & {"script", "iframe", "object", "embed", "form", "svg", "style", "base"}, name
        assert not handlers, name
        assert all(link.startswith(("http:", "https:")) for link in links), name


def test_a_background_image_is_shown_where_it_is_archived() -> None:
    files = Files()
    known = image(1, files.keep(picture("synthetic_background")))
    styles = (f"background-image:url({known.url})", f"background-image:url({IMAGE.format(9)})")
    body = "".join(f'<section style="{style}">字</section>' for style in styles)
    rendered = render_markdown(shown(post(body), [known], files))
    assert rendered.content.decode().count("![](") == 1
    assert list(rendered.files.values()) == [known.file]


def test_a_background_image_that_is_not_archived_keeps_its_address_without_a_scheme() -> None:
    known = image(1)
    style = f"background-image:url({known.url.removeprefix('https:')})"
    rendered = render_markdown(shown(post(f'<section style="{style}"><br></section>'), [known], Files()))
    assert f"![](<{known.url}>)" in rendered.content.decode()


def test_an_image_in_the_body_itself_becomes_a_file(tmp_path: Path) -> None:
    content = picture("synthetic_inline")
    body = f'<img src="data:image/JPEG;base64,{base64.b64encode(content).decode()}">'
    _, rest = written(shown(post(body)), tmp_path)
    (path,) = (tmp_path / "images").iterdir()
    assert f"(images/{path.name})" in rest
    assert (path.suffix, path.read_bytes()) == (".jpg", content)


def test_a_player_is_quoted_with_what_is_known_of_it_and_its_address(tmp_path: Path) -> None:
    facts = {"id": "wxv_1", "title": "片名", "author": "作者", "duration_ms": 66_000}
    url = "https://mpvideo.example/1.mp4"
    video = ShownMedium("video", 0, "wxv_1", url, "video", facts, None, None, "")  # type: ignore[arg-type]
    body = '<p>字</p><iframe class="video_iframe" data-mpvid="wxv_1"></iframe>'
    front, rest = written(shown(post(body), [video]), tmp_path)
    quoted = [line.rstrip() for line in rest.splitlines() if line.startswith("> ")]
    assert quoted == ["> 视频", "> 片名", "> 作者", "> 1:06", f"> {url}"]
    assert front["videos"] == 1


def test_an_image_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_once")))
    made = shown(post(f'<img data-src="{medium.url}">'), [medium], files)
    write_markdown([made], tmp_path)
    (path,) = (tmp_path / "images").iterdir()
    for content, expected in ((b"x" * path.stat().st_size, b"x"), (b"cut", b"\x89")):
        path.write_bytes(content)
        write_markdown([made], tmp_path)
        assert path.read_bytes()[:1] == expected


def test_an_image_that_cannot_be_read_is_counted_and_the_post_is_written(tmp_path: Path) -> None:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_gone")))
    files.contents.clear()
    result = write_markdown(
        [shown(post(f'<p>字</p><img data-src="{medium.url}">'), [medium], files)], tmp_path
    )
    assert (result.posts, result.missing, result.damaged, result.failed) == (1, 1, False, 0)
    (path,) = tmp_path.glob("*.md")
    assert "字" in path.read_text("utf-8")


def test_values_that_are_unknown_or_of_another_form_are_left_out_of_the_front_matter() -> None:
    facts = {"author": "", "reprint": "no address", "albums": ["no album"], "digest": None}
    made = shown(post(None, capture_id=None, kind=None, published_at=None, page_metadata=facts))
    front = front_matter(made)
    assert not front.keys() & {"author", "reprint_of", "albums", "digest", "kind", "published_at"}
    assert front["date"] == "2026-03-01"


def test_an_emoji_that_is_not_archived_is_its_words() -> None:
    body = '<p>早<img alt="[太阳]" data-src="https://res.wx.qq.com/synthetic/sun.png">安</p>'
    assert render_markdown(shown(post(body))).content.decode().endswith("\n\n早\\[太阳\\]安\n")


def test_a_sticker_is_an_image_and_cards_say_what_they_ask_for() -> None:
    body = (
        '<mp-common-sticker data-emoji_url="https://x.example/sticker"></mp-common-sticker>'
        '<mp-common-product data-windowproduct="%7B%22title%22%3A%22合成商品%22%7D"></mp-common-product>'
        '<mp-common-product data-windowproduct="[["></mp-common-product>'
        '<mp-common-qa data-answer="答二" data-question="问一"></mp-common-qa>'
        '<mp-common-search data-keyword="词三"></mp-common-search>'
    )
    made = render_markdown(shown(post(body))).content.decode()
    assert "![](https://x.example/sticker)" in made
    assert "卡片" not in made
    assert [word for word in ("合成商品", "问一", "答二", "词三") if word not in made] == []
