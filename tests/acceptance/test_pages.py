"""A post as its page and as Markdown, by the installed command."""

from pathlib import Path

import pytest

from tests.acceptance.command import Command
from tests.acceptance.dumps import write_dump
from tests.standin.pages import all_pages


def _page(name: str) -> tuple[bytes, str]:
    return next((body, url) for found, body, url, _ in all_pages() if found == name)


def _keep_everything(mparchive: Command, folder: Path) -> str:
    """Take the article that has everything from a saved page; its aid."""
    body, url = _page("article-with-everything")
    (folder / "saved.html").write_bytes(body)
    done = mparchive("backfill", folder / "saved.html", "--url", url, "--no-fetch")
    assert done.code == 0, done.err
    return str(mparchive.rows("SELECT aid FROM posts")[0][0])


def test_a_post_is_shown_as_a_page_with_its_links_and_media(mparchive: Command, tmp_path: Path) -> None:
    aid = _keep_everything(mparchive, tmp_path)
    page = mparchive("show", aid, "--html")
    assert (page.code, page.err) == (0, "")
    assert "（合成）第一段".encode() in page.out
    links = mparchive("show", aid, "--links").out.decode()
    assert "mini_program" in links
    assert "合成的旧文" in links
    shown = mparchive("show", aid, "--json").json
    assert {link["relation"] for link in shown["links"]} >= {"post", "topic", "mini_program", "source"}
    assert {medium["role"] for medium in shown["media"]} == {"image", "cover", "poster", "video", "audio"}


def test_the_page_is_opened_in_the_browser_or_said_where_it_lies(
    mparchive: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aid = _keep_everything(mparchive, tmp_path)
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    without = mparchive("show", aid, "--open")
    path = Path(without.out.decode().strip())
    assert path.read_bytes() == mparchive("show", aid, "--html").out
    assert "open this file" in without.err
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    assert mparchive("show", aid, "--open").err == ""
    assert (tmp_path / "opened").read_text() == path.as_uri()


def test_pages_and_markdown_go_to_a_folder_and_are_the_same_bytes_again(
    mparchive: Command, tmp_path: Path
) -> None:
    mparchive("backfill", write_dump(tmp_path / "dump.json", 3), "--no-fetch")
    _keep_everything(mparchive, tmp_path)
    for form, ending, others in (("html", ".html", 1), ("markdown", ".md", 0)):
        folders = [tmp_path / f"{form}-{number}" for number in (1, 2)]
        for folder in folders:
            done = mparchive("export", "--format", form, "--output", folder)
            assert (done.code, done.err) == (0, "4 posts exported\n")
        files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
        assert files[0] == files[1]
        assert sum(name.endswith(ending) for name in files[0]) == 4 + others


def test_a_format_of_many_files_wants_a_folder(mparchive: Command, tmp_path: Path) -> None:
    write_dump(tmp_path / "dump.json", 1)
    nowhere = mparchive("export", "--format", "html")
    assert nowhere.code == 2
    assert "--output FOLDER" in nowhere.err
    a_file = mparchive("export", "--format", "markdown", "--output", tmp_path / "dump.json")
    assert a_file.code == 2
    assert "is a file" in a_file.err


def test_two_ways_to_show_exclude_each_other(mparchive: Command) -> None:
    done = mparchive("show", "1_1", "--html", "--open")
    assert done.code == 2
    assert "exclude each other" in done.err
