"""The files that a script for the closed listing call leaves behind, handed in as they lie there."""

import json
from pathlib import Path

import pytest

from tests.acceptance.command import Command
from tests.acceptance.dumps import dump_bytes, record
from tests.mparchive.importers.test_warc import DATE, Writer
from tests.standin.account import COMMISSION
from tests.standin.pages import catalogue
from tests.standin.posts import POSTS

pytestmark = pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer
ARTICLE = next(post for post in POSTS if post.account is COMMISSION)


def leave_behind(folder: Path) -> Path:
    """Write an `app.json`, a list, an output file and a WARC file with the page of one post."""
    app = {"articalList": [{"officalAccout": COMMISSION.nickname, "fakeId": COMMISSION.biz}], "token": 1}
    (folder / "app.json").write_text(json.dumps(app, ensure_ascii=False))
    listed = [(record(number)["链接url"], "合成,带逗号") for number in (1, 2)]
    rows = [f'"x","{title}","{url}","2025-11-06","合成测试账号"' for url, title in listed]
    head = "\ufeff文章标识符aid,标题title,链接url,时间time,公众号名称"
    (folder / "app_msg_list_20251106_120000.csv").write_text("\n".join([head, *rows]))
    (folder / "合成测试账号_20251106.md").write_bytes(b"\xef\xbb\xbf" + dump_bytes([record(1), record(3)]))
    page = b"".join(next(one for one in catalogue() if one.post is ARTICLE).render(0))
    warc = Writer(packed=True).add(page, ARTICLE.url.replace("http:", "https:"))
    warc.add(b"x", "https://res.wx.qq.com/a.js")
    (folder / "week.warc.gz").write_bytes(warc.content)
    (folder / "main.py").write_text("print()\n")
    return folder


def test_everything_in_the_folder_is_taken_in_once(mparchive: Command, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    old = leave_behind(tmp_path / "old")
    done = mparchive("backfill", "--no-fetch", "--json", old)
    assert (done.code, done.err) == (0, "")
    counts = {"accounts": 1, "not_asked": 2, "new": 3, "passed_over": 2}
    assert done.json["counts"] == counts
    assert f"{COMMISSION.biz}; run `mparchive init`" in done.json["reasons"]["accounts"]
    assert mparchive("backfill", "--no-fetch", "--json", old).code == 0
    ((fetched_at, headers),) = mparchive.rows("SELECT fetched_at, headers FROM captures")
    assert f"{fetched_at:%Y-%m-%dT%H:%M:%SZ}" == DATE
    assert headers == [["Content-Type", "text/html"]]
    assert mparchive.number("SELECT count(*) FROM posts") == 3
    assert mparchive.number("SELECT count(*) FROM addresses") == 4


def test_a_list_is_taken_between_two_days(mparchive: Command, tmp_path: Path) -> None:
    leave_behind(tmp_path)
    listing = tmp_path / "app_msg_list_20251106_120000.csv"
    assert (
        mparchive("backfill", "--dry-run", "--json", "--since", "2025-11-07", listing).json["would_take"] == 0
    )
    assert (
        mparchive("backfill", "--dry-run", "--json", "--since", "2025-11-06", listing).json["would_take"] == 2
    )
