"""`mparchive audit`: gaps are told, `--fill` asks for them, and what cannot be had stays told."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.command import Command
from tests.acceptance.dumps import dump_bytes
from tests.standin import Standin
from tests.standin.account import COMMISSION, Post
from tests.standin.week import ALBUM, CHALLENGED, DELETED, EDITED, WEEK

CommandAt = Callable[[str], Command]
LISTED = {post.name: post for post in WEEK}
IN_NO_ALBUM = LISTED["week-audio"].aid
IN_DUMP = ("week-plan", EDITED, "week-visit", "week-energy", DELETED, "week-digest")


def as_record(post: Post) -> dict[str, str]:
    """Return a post as in a dump of those days; the digest lists one archived and one missing post."""
    listed = "".join(
        f"{n:02d} {LISTED[name].title}\r" for n, name in enumerate(("week-plan", "week-reply"), 1)
    )
    names = ("文章标识符aid", "标题title", "链接url", "时间time", "公众号名称", "finalContent")
    text = listed if post.name == "week-digest" else "合成的正文\r"
    return dict(
        zip(names, (post.aid, post.title, post.url, "2025-11-17", COMMISSION.nickname, text), strict=True)
    )


def write_inputs(folder: Path) -> None:
    dump = [as_record(LISTED[name]) for name in IN_DUMP]
    (folder / "dump.json").write_bytes(dump_bytes(dump))
    (folder / "list.txt").write_text(LISTED[CHALLENGED].url + "\n", encoding="utf-8")
    (folder / "mparchive.toml").write_text(
        f'[[accounts]]\nbiz = "{COMMISSION.biz}"\nname = "{COMMISSION.nickname}"\nalbums = ["{ALBUM}"]\n',
        encoding="utf-8",
    )


def test_gaps_are_told_and_filled_but_for_what_is_gone(mparchive_at: CommandAt, tmp_path: Path) -> None:
    write_inputs(tmp_path)
    with Standin(week=True) as standin:
        standin.show(DELETED, "deleted")
        command = mparchive_at(standin.origin)
        assert command("backfill", "--no-fetch", "dump.json", "list.txt").code == 0
        told = command("audit", "--limit", "1")
        assert (told.code, standin.stats()["total"]) == (0, 0), "an audit asks nobody"
        filled = command("audit", "--fill", "--json")
        asked = standin.stats()["hosts"]["mp.weixin.qq.com"]
        again = command("audit", "--fill")
        assert standin.stats()["hosts"]["mp.weixin.qq.com"] == asked + 1, "only the album is listed anew"
    check_words(told.out.decode())
    assert (filled.code, filled.json["counts"]) == (0, {"hole": 1}), filled.err
    assert filled.json["before"] == {"hole": 1, "mentioned": 1, "digest": 1, "no_page": 6}
    assert filled.json["filled"]["counts"]["deleted"] == 1
    assert [gap["subject"] for gap in filled.json["gaps"]] == [IN_NO_ALBUM], "beside one that the album has"
    assert re.search(r"^1 +missing posts of multi-post messages", again.out.decode(), re.M)


def check_words(words: str) -> None:
    """Numbers, then each kind's first gap with its evidence and its remedy."""
    assert re.search(r"^6 +posts without their page", words, re.M)
    assert "and 5 more; --limit 6 shows all" in words
    assert f"{LISTED['week-list'].aid}  2025-11-17" in words
    assert "positions 1, 3 of push 2650001001 are known, 2 is not" in words
    assert f"{LISTED[CHALLENGED].aid}\n    seen in list on" in words
    assert LISTED["week-reply"].title in words


def test_what_is_wrong_with_an_audit_is_said(mparchive: Command) -> None:
    nobody = mparchive("audit", "--account", "合成别号")
    assert (nobody.code, "no account 合成别号 in the archive; it has none" in nobody.err) == (2, True)
    assert mparchive("audit").out.startswith(b"the archive holds no posts yet; ")
