"""`mparchive search`, as a person and a script use it."""

import json
from pathlib import Path

from tests.acceptance.command import Command
from tests.archive.making import record


def test_a_search_prints_what_it_found_and_says_on_stderr_what_else_there_is(
    mparchive: Command, tmp_path: Path
) -> None:
    records = [record(n, text=f"第{n}段 工业&nbsp;互联网[b]\r") for n in (1, 2, 3)]
    dump = tmp_path / "posts.json"
    dump.write_text(json.dumps([one.as_dict() for one in records], ensure_ascii=False), encoding="utf-8")
    assert mparchive("backfill", dump, "--no-fetch").code == 0

    printed = mparchive("search", '"工业 互联网"', "-第2段", "--limit", "1")
    assert printed.out.decode() == "1003_1  2026-03-01  标题\n    第3段 工业 互联网[b]\n"
    assert (printed.code, "there are more than 1" in printed.err) == (0, True)

    hits = mparchive("search", "互联网", "--json").json
    assert [hit["aid"] for hit in hits] == ["1003_1", "1002_1", "1001_1"]
    assert [piece["text"] for piece in hits[0]["excerpt"] if piece["is_word"]] == ["互联网"]

    nothing = mparchive("search", "没有", "--json")
    assert (nothing.code, nothing.json, "no post" in nothing.err) == (0, [], True)
    for wrong, said in (
        (["-没有"], "only excludes"),
        (["--limt"], "no option --limt"),
        (["互联网", "--account", "没有"], "no account '没有'"),
        (["互联网", "--since", "2026-03-02", "--until", "2026-03-01"], "2026-03-02 is after --until"),
    ):
        refused = mparchive("search", *wrong)
        assert (refused.code, said in refused.err) == (2, True)

    assert mparchive("search", "--rebuild", "--json").json == {"posts": 3}
    assert "search index of 3 posts rebuilt" in mparchive("search", "--rebuild").err
