"""What posts show comes with them: tied in order, kept once, and no reason for a post to fail."""

import re
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from archive.storage.media_files import SMALL_FORMS_FOLDER
from tests.acceptance.command import Command
from tests.archive.backup.s3_server import s3_server, use_s3
from tests.standin import Standin
from tests.standin.account import COMMISSION, NEIGHBOUR
from tests.standin.media import STYLE_SHEETS, style_sheet
from tests.standin.posts import POSTS, RICH
from tests.standin.rich import APPID, BACKGROUND, SHOWN, VIDEO

BIZ = COMMISSION.biz
CommandAt = Callable[[str], Command]
SHOWN_BY = """
    SELECT posts.aid, role, media.key, coalesce(last_outcome, '') FROM post_media
    JOIN posts ON posts.id = post_id AND posts.capture_id = post_media.capture_id
    JOIN media ON media.id = medium_id ORDER BY posts.id, role, position
"""
SHEETS = "SELECT url FROM media WHERE type = 'style' AND file_id IS NOT NULL ORDER BY url"
LINKED = """
    SELECT relation, post_links.text, post_links.key FROM post_links
    JOIN posts ON posts.id = post_id WHERE aid = '{}'
"""


def write_list(folder: Path) -> Path:
    path = folder / "list.txt"
    path.write_text("".join(f"{post.url}\n" for post in POSTS), encoding="utf-8")
    return path


def shown(command: Command, role: str = "image") -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for aid, as_what, key, outcome in command.rows(SHOWN_BY):
        if as_what == role:
            found.setdefault(aid, []).append((key, outcome))
    return found


def test_every_picture_of_every_post_is_kept_and_tied_in_order(
    mparchive_at: CommandAt, tmp_path: Path
) -> None:
    with Standin() as standin:
        standin.fault("script", post="synthetic_rich_svg")
        standin.fault("error", post="synthetic_108", status=404)
        command = mparchive_at(standin.origin)
        done = command("backfill", write_list(tmp_path), "--json")
        assert done.code == 0, done.err
        pages = standin.stats()["hosts"]["mp.weixin.qq.com"]
        images = command("backfill", write_list(tmp_path), "--no-media", "--json")
        standin.clear()
        again = command("backfill", write_list(tmp_path))
        assert standin.stats()["hosts"]["mp.weixin.qq.com"] == pages
    assert command.findings() == []
    assert (done.code, images.code, again.code) == (0, 0, 0), done.err
    counts = done.json["counts"]
    assert (counts["images_refused"], counts["images_failed"]) == (1, 2)
    assert "an SVG with a <script>" in done.json["reasons"]["images_refused"]
    assert not [name for name in images.json["counts"] if name.startswith("images")]
    assert re.search(r"^3 +images stored", again.out.decode(), re.M)  # those that did not come before
    for post in (post for post in POSTS if post.pictures):
        assert [key for key, _ in shown(command)[post.aid]] == [picture.url for picture in post.pictures]
    assert [key for key, _ in shown(command)[RICH.aid]] == [*SHOWN, BACKGROUND]
    assert {outcome for of_post in shown(command).values() for _, outcome in of_post} == {"kept"}
    assert shown(command, "poster")[RICH.aid] == [(VIDEO.poster.replace("http:", "https:"), "kept")]
    assert shown(command, "video")[RICH.aid] == [(f"video:wxv_{VIDEO.id}", "")]
    files = [path for path in (tmp_path / "media").rglob("*.*") if SMALL_FORMS_FOLDER not in path.parts]
    kinds = Counter(path.suffix for path in files)
    assert kinds == {".jpg": 5, ".png": 4, ".gif": 1, ".svg": 1}
    check_links(command)


def test_style_sheets_are_fetched_once_for_all_posts_and_never_again(
    mparchive_at: CommandAt, tmp_path: Path
) -> None:
    first, second, third = POSTS[:3]
    with Standin(styled=True) as standin:
        command = mparchive_at(standin.origin)
        assert command("backfill", third.url, "--no-media").code == 0
        assert standin.stats()["hosts"].get("res.wx.qq.com", 0) == 0
        done = command("backfill", first.url, second.url, "--json")
        assert done.code == 0, done.err
        images = command.number("SELECT count(file_id) FROM media WHERE type = 'image'")
        asked = [noted["at"] for noted in standin.stats()["requests"] if noted["host"] == "res.wx.qq.com"]
        again = command("backfill", third.url, "--again", "--json")
        assert standin.stats()["hosts"]["res.wx.qq.com"] == len(asked) == len(STYLE_SHEETS)
    assert done.json["counts"]["style_sheets_kept"] == len(STYLE_SHEETS)
    assert done.json["counts"]["images_kept"] == images > 0
    assert again.json["counts"].get("style_sheets_kept") is None
    assert [url for (url,) in command.rows(SHEETS)] == sorted(STYLE_SHEETS)
    assert sorted(path.read_bytes() for path in (tmp_path / "media").rglob("*.css")) == sorted(
        style_sheet(name) for name in ("synthetic_index", "synthetic_appmsg")
    )
    assert command.findings() == []
    status = command("status", "--json").json["media"]["style"]
    assert (status["known"], status["kept"], status["bytes"]) == (
        2,
        2,
        sum(len(style_sheet(name)) for name in ("synthetic_index", "synthetic_appmsg")),
    )


def test_what_is_no_style_sheet_is_refused_and_makes_no_post_fail(mparchive_at: CommandAt) -> None:
    with Standin(styled=True) as standin:
        standin.fault("page", post="synthetic_index")
        standin.fault("endless", post="synthetic_appmsg")
        command = mparchive_at(standin.origin)
        done = command("backfill", POSTS[0].url, "--json")
    assert (done.code, done.json["counts"]["new"]) == (0, 1), done.err
    assert done.json["counts"]["style_sheets_refused"] == len(STYLE_SHEETS)
    assert done.json["counts"].get("images_refused") is None
    reasons = [reason for (reason,) in command.rows("SELECT last_reason FROM media WHERE type = 'style'")]
    assert {reason.split()[0] for reason in reasons} == {"crawler.media.web_page", "crawler.media.too_large"}
    gaps = {gap["kind"] for gap in command("audit", "--json").json["gaps"]}
    assert gaps == {"mentioned"}  # an album of the post; a style sheet is no part of it


def check_links(command: Command) -> None:
    """Check the links of the article that has every kind of link."""
    found = {relation: (text, key) for relation, text, key in command.rows(LINKED.format(RICH.aid))}
    linked, before, after = (f"{BIZ}:{mid}" for mid in ("2650000103:1", "2650000102:1", "2650000101:1"))
    assert found.pop("topic")[0] == "#合成话题"
    assert found == {
        "post": ("合成的旧文", linked),
        "previous": ("合成公告：零点刚过时发布", before),
        "next": ("云屿市虚构的制造业数字化转型方案发布, 全文来了", after),
        "album": ("合成合集", RICH.album),
        "account": (NEIGHBOUR.nickname, NEIGHBOUR.biz),
        "mini_program": ("打开小程序", f"{APPID}:pages/index?id=1"),
        "source": ("", RICH.source_url),
        "web": ("远处的网页", "https://www.example.com/far?x=1&y=2"),
    }


def test_a_bucket_that_is_missing_is_named_and_the_command_partly_failed(
    mparchive_at: CommandAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Standin() as standin, s3_server() as server:
        use_s3(monkeypatch, server)
        monkeypatch.setenv("MPARCHIVE_MEDIA", "s3://nobodys-bucket/posts")
        done = mparchive_at(standin.origin)("backfill", RICH.url)
    assert (done.code, "Traceback" in done.err) == (3, False), done.err
    assert (
        "s3://nobodys-bucket/posts cannot be used, because its bucket does not exist; create it" in done.err
    )


def test_a_cassette_without_pictures_says_how_many_are_missing(
    mparchive_at: CommandAt, tmp_path: Path
) -> None:
    with Standin(styled=True) as standin:
        recorded = mparchive_at(standin.origin)(
            "backfill", POSTS[0].url, "--no-media", "--record", "tape.yaml"
        )
    replayed = mparchive_at("")("backfill", POSTS[0].url, "--again", "--replay", "tape.yaml", "--json")
    assert (recorded.code, replayed.code) == (0, 0)
    counts = {name: number for name, number in replayed.json["counts"].items() if number}
    assert counts == {"unchanged": 1, "images_not_recorded": 2, "style_sheets_not_recorded": 2}


def test_ctrl_c_among_the_pictures_leaves_the_rest_for_the_same_command(
    mparchive_at: CommandAt, tmp_path: Path
) -> None:
    (post,) = (post for post in POSTS if post.name == "picture")
    with Standin() as standin:
        standin.fault("slow", post="media", seconds=5, after=1)  # what is under way is waited for
        command = mparchive_at(standin.origin)
        running = command.start("backfill", post.url, listen=True)
        assert running.stderr is not None
        for line in running.stderr:
            if b" kept " in line:
                break
        running.send_signal(signal.SIGINT)
        words = running.stderr.read().decode()
        assert running.wait(60) == 130
        running.stderr.close()
        assert "run the same command again to continue" in words
        standin.clear()
        assert command("backfill", post.url).code == 0
    assert [key for key, _ in shown(command)[post.aid]] == [picture.url for picture in post.pictures]
    assert {outcome for _, outcome in shown(command)[post.aid]} == {"kept"}
