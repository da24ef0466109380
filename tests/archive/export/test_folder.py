"""A file a post: names, the same bytes every time, nothing half written."""

from pathlib import Path

import pytest

from archive.domain.errors import IntegrityError
from archive.export.file_names import FileNames
from archive.export.html import write_html
from archive.export.markdown import write_markdown
from archive.rendering.media import PAGE_FULL
from archive.rendering.page import offline_page
from archive.system.files import FileWriteError, atomically
from tests.archive.rendering.making import Files, image, post, shown
from tests.standin.media import picture


def _posts() -> list:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_one")))
    body = f'<p style="color:red">字</p><img data-src="{medium.url}">'
    return [
        shown(post(body), [medium], files),
        shown(post(None, aid="1000_1", title='a/b\\c: *?"<>|\n第二行' + "长" * 90, kind="text"), [], files),
    ]


@pytest.mark.parametrize("write", [write_html, write_markdown])
def test_two_exports_of_the_same_posts_are_the_same_bytes(write, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert write(_posts(), tmp_path / name).posts == 2
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two")
    )
    assert len(one) == 3
    assert one == two


def test_names_tell_day_aid_and_title_and_fit_every_file_system(tmp_path: Path) -> None:
    write_html(_posts(), tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[1:] == ["2026-03-01-1001_1-合成标题.html", "index.html"]
    assert names[0].startswith("2026-03-01-1000_1-a_b_c_ ______ 第二行长")
    assert len(names[0].encode()) < 255


def test_posts_of_two_accounts_with_one_aid_have_names_of_their_own() -> None:
    names = FileNames()
    assert len({names.of_post(post(account_id=number)) for number in (1, 2)}) == 2


def test_the_index_lists_the_posts_by_day(tmp_path: Path) -> None:
    write_html(_posts(), tmp_path)
    index = (tmp_path / "index.html").read_text("utf-8")
    assert index.count("<h2>2026-03-01</h2>") == 1
    assert index.index("1001_1") < index.index("1000_1")
    assert 'href="2026-03-01-1001_1-%E5%90%88' in index


def test_a_file_that_is_gone_is_said_and_costs_its_place_only(tmp_path: Path) -> None:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_gone")))
    files.contents.clear()
    done = write_html([shown(post(f'<img data-src="{medium.url}">'), [medium], files)], tmp_path)
    assert (done.posts, done.missing, done.damaged) == (1, 1, False)
    assert "is not in the media folder" in str(done.problems[0])


def test_a_damaged_file_is_told_from_one_that_is_gone(tmp_path: Path) -> None:
    def damaged(_: object) -> bytes:
        raise IntegrityError("aa/bb/x.png in the media folder does not have the hash it was stored with")

    files = Files()
    medium = image(1, files.keep(picture("synthetic_damaged")))
    files.read = damaged  # type: ignore[method-assign]  # a disk that answers otherwise
    assert write_markdown([shown(post(f'<img data-src="{medium.url}">'), [medium], files)], tmp_path).damaged


def test_a_page_embeds_no_more_than_it_may() -> None:
    files = Files()
    media = [image(number, files.keep(picture(f"synthetic_{number}"))) for number in range(3)]
    body = "".join(f'<img data-src="{medium.url}">' for medium in media)
    first = media[0].file
    assert first is not None
    page = offline_page(shown(post(body), media, files), max_embedded=first.size * 4 // 3 + 100)
    assert page.count('src="data:image/png') == 1
    assert page.count(PAGE_FULL) == 2


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def fail(out) -> None:
        out.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(FileWriteError, match="No space left"):
        atomically(path, fail)
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file", "before")]
