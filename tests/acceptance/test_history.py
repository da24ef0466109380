"""What became of a post: edited, deleted and back again, told by the command in words and as JSON."""

import re
from pathlib import Path

from tests.acceptance.command import Command
from tests.standin import Standin
from tests.standin.week import EDITED, WEEK

POST = next(post for post in WEEK if post.name == EDITED)
ADDED = " （合成更正）截止日期延后七日。"
DELETED = "该内容已被发布者删除"


def test_a_post_that_is_edited_deleted_and_back_again_is_told_by_the_command(
    fresh_database_url: str, tmp_path: Path
) -> None:
    with Standin(week=True) as standin:
        mparchive = Command(fresh_database_url, tmp_path, standin.origin)
        for state in ("original", "edited", "deleted", "original"):
            standin.show(EDITED, state)
            done = mparchive("backfill", POST.url, "--again", "--no-media")
            assert done.code == 0, done.err
    told = mparchive("show", POST.aid, "--history", "--json").json
    versions = [(one["number"], one["source"], one["added"], one["removed"]) for one in told["versions"]]
    assert versions[1:] == [(2, "page", len(ADDED) + 1, 0), (3, "page", 0, len(ADDED) + 1)]
    assert [one["outcome"] for one in told["captures"]] == ["article", "article", "deleted", "article"]
    (absence,) = told["absences"]
    assert (absence["outcome"], absence["reason"]) == ("deleted", DELETED)
    at = [one["fetched_at"] for one in told["captures"]]
    names = ("last_seen_at", "first_missing_at", "last_missing_at", "returned_at")
    assert [absence[name] for name in names] == [at[1], at[2], at[2], at[3]]
    assert told["next_visit_at"] > at[3]

    words = mparchive("show", POST.aid, "--history").out.decode()
    order = ["version 1", "version 2", "missing", "back", "version 3"]
    assert re.findall("version [123]|missing|back", words) == order
    assert DELETED in words
    assert f"[-{ADDED}\n-]" in mparchive("show", POST.aid, "--diff").out.decode()
    between = mparchive("show", "--diff", "1..2", "--json", POST.aid).json
    changed = [piece for piece in between["pieces"] if piece["kind"] != "same"]
    assert changed == [{"kind": "added", "text": f"{ADDED}\r"}]
    assert mparchive.findings() == []
