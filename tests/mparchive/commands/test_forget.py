"""`mparchive forget`: what goes, what stays, and what `verify`, `audit` and the sources say of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from archive.db.settings import ArchiveSettings
from archive.integrity.verifier import verify_archive
from mparchive.commands.verify import check_context
from tests.acceptance.dumps import BIZ, record, write_dump
from tests.mparchive.commands.conftest import Ended, Run
from tests.standin.pages import catalogue

POSTS = 5


@dataclass(frozen=True)
class Archive:
    """Commands on a database of the test's own, and what stands in it."""

    run: Run
    engine: Engine

    def __call__(self, *arguments: object) -> Ended:
        return self.run(*arguments)

    def json(self, *arguments: object) -> Any:
        return json.loads(self.run(*arguments, "--json").out)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def number(self, query: str) -> int:
        ((number,),) = self.rows(query)
        return int(number)

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def findings(self) -> list[str]:
        found = verify_archive(self.engine, check_context(ArchiveSettings())).findings
        return [str(finding) for finding in found]


@pytest.fixture
def mparchive(engine: Engine, use: Callable[[Engine], Run]) -> Archive:
    """Return an empty archive."""
    return Archive(use(engine), engine)


def pages() -> dict[str, tuple[str, bytes]]:
    """Return the articles of the catalogue by aid: address and page, large enough for deltas."""
    shown = [one for one in catalogue() if one.notice is None][:4]
    return {
        f"{one.post.mid}_{one.post.idx}": (one.expected.url, b"".join(one.render(60_000))) for one in shown
    }


def save(folder: Path, aids: list[str], change: tuple[str, str] = ("", "")) -> list[Path]:
    """Write saved pages of these posts, with something in them replaced."""
    files = []
    for aid in aids:
        path = folder / f"{aid}-{len(list(folder.iterdir()))}.html"
        path.write_bytes(
            pages()[aid][1].replace(*(part.encode() for part in change)) if change[0] else pages()[aid][1]
        )
        files.append(path)
    return files


def last_run(mparchive: Archive) -> int:
    return mparchive.number("SELECT max(id) FROM runs WHERE command = 'backfill'")


def test_what_a_run_brought_in_is_removed_and_the_chains_explain_it(
    mparchive: Archive, tmp_path: Path
) -> None:
    kept, mistake = list(pages())[:1], list(pages())[1:]
    assert mparchive("backfill", *save(tmp_path, kept), "--no-fetch").code == 0
    head = tmp_path / "head.json"
    assert mparchive("verify", "--save-head", head).code == 0
    assert mparchive("backfill", *save(tmp_path, mistake), "--no-fetch").code == 0
    assert mparchive("verify", "--save-head", tmp_path / "later.json").code == 0
    assert mparchive.number("SELECT count(*) FROM bodies WHERE base_sha256 IS NOT NULL") > 0

    asked = mparchive("forget", "--run", last_run(mparchive))
    assert (asked.code, "there is no terminal" in asked.err) == (2, True)
    assert mparchive.number("SELECT count(*) FROM posts") == 4

    done = mparchive.json("forget", "--run", last_run(mparchive), "--yes", "--reason", "误导入")
    assert done["removed"] | {"addresses": 0} == {
        "posts": 3, "versions": 3, "captures": 3, "media": 0, "addresses": 0, "trimmed": 0, "kept": 0,
    }  # fmt: skip
    assert mparchive.rows("SELECT aid FROM posts") == [(kept[0],)]
    for saved in (head, tmp_path / "later.json"):
        assert mparchive("verify", "--head", saved).code == 0
    (one,) = mparchive.rows("SELECT reason, removed FROM removals WHERE removed -> 'entries' <> '[]'")
    assert one[0] == "误导入"
    assert sorted(post["aid"] for post in one[1]["posts"]) == sorted(mistake)
    assert len([entry for entry in one[1]["entries"] if "sha256" in entry]) == 3
    assert json.loads(mparchive("export").out)[0]["文章标识符aid"] == kept[0]
    status = mparchive.json("status")
    assert (status["posts"], status["forgotten"], status["due"], status["given_up"]) == (1, 3, 0, 0)
    audit = mparchive.json("audit")
    assert sorted(post["aid"] for post in audit["forgotten"]) == sorted(mistake)
    assert not {gap["subject"] for gap in audit["gaps"]} & set(mistake)


def test_a_page_stored_against_a_removed_one_stays_readable(mparchive: Archive, tmp_path: Path) -> None:
    first, *others = pages()
    assert mparchive("backfill", *save(tmp_path, [first]), "--no-fetch").code == 0
    assert mparchive("backfill", *save(tmp_path, others), "--no-fetch").code == 0
    against = (
        "SELECT count(*) FROM bodies WHERE base_sha256 = (SELECT sha256 FROM captures ORDER BY id LIMIT 1)"
    )
    assert mparchive.number(against) == len(others)
    assert mparchive("forget", first, "--yes").code == 0
    assert mparchive.number("SELECT count(*) FROM bodies WHERE base_sha256 IS NOT NULL") == len(others) - 1
    assert mparchive.findings() == []
    for aid in others:
        assert mparchive("show", aid, "--raw").raw == pages()[aid][1]


def test_a_post_keeps_what_another_run_brought(mparchive: Archive, tmp_path: Path) -> None:
    aid = next(iter(pages()))
    assert mparchive("backfill", *save(tmp_path, [aid]), "--no-fetch").code == 0
    before = mparchive("export").out
    assert mparchive("backfill", *save(tmp_path, [aid], ("虚构", "改动")), "--no-fetch").code == 0
    assert mparchive("export").out != before
    assert mparchive("forget", "--run", last_run(mparchive), "--yes").code == 0
    assert mparchive("export").out == before
    assert mparchive.findings() == []
    assert mparchive.json("status")["forgotten"] == 0
    # … and the other way round
    assert mparchive("backfill", *save(tmp_path, [aid], ("虚构", "改动")), "--no-fetch").code == 0
    changed = mparchive("export").out
    first = mparchive.number("SELECT min(id) FROM runs WHERE command = 'backfill'")
    assert mparchive("forget", "--run", first, "--yes").code == 0
    assert mparchive("export").out == changed
    assert mparchive.findings() == []


def test_a_page_that_two_runs_brought_stays_until_both_are_forgotten(
    mparchive: Archive, tmp_path: Path
) -> None:
    saved = save(tmp_path, list(pages()))
    assert mparchive("backfill", *saved, "--no-fetch").code == 0
    first = last_run(mparchive)
    assert mparchive("backfill", *saved[:1], "--no-fetch").code == 0
    second = last_run(mparchive)
    assert mparchive("forget", "--run", second, "--yes").code == 2
    assert mparchive("forget", "--run", first, "--yes").code == 0
    assert mparchive.rows("SELECT aid FROM posts") == [(next(iter(pages())),)]
    assert mparchive("forget", "--run", first, "--run", second, "--yes").code == 0
    assert mparchive.number("SELECT count(*) FROM posts") == 0
    assert mparchive.findings() == []


def test_a_forgotten_post_comes_back_only_by_hand(mparchive: Archive, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", POSTS)
    assert mparchive("backfill", dump, "--no-fetch").code == 0
    assert mparchive("forget", "--account", BIZ, "--yes").code == 0
    assert json.loads(mparchive("export").out or "[]") == []
    assert mparchive.json("status")["accounts"] == []
    assert mparchive.number("SELECT count(*) FROM addresses WHERE next_fetch_at IS NOT NULL") == 0
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(record(number)["链接url"] for number in range(POSTS)))
    config = tmp_path / "mparchive.toml"
    config.write_text(f'[[accounts]]\nbiz = "{BIZ}"\nname = "合成"\naddresses_file = "{listed}"\n')
    found = mparchive("discover")
    assert found.code == 0, found.err
    assert mparchive.number("SELECT count(*) FROM sightings") == POSTS
    assert mparchive.number("SELECT count(*) FROM addresses WHERE next_fetch_at IS NOT NULL") == 0
    assert mparchive.findings() == []

    assert mparchive("backfill", record(1)["链接url"], "--no-fetch").code == 0
    assert mparchive.rows("SELECT aid FROM addresses WHERE next_fetch_at IS NOT NULL") == [
        (record(1)["文章标识符aid"],)
    ]
    assert mparchive("backfill", dump, "--no-fetch").code == 0
    assert mparchive.number("SELECT count(*) FROM posts") == POSTS
    assert mparchive.json("status")["forgotten"] == 0
    assert mparchive.findings() == []


def test_rows_removed_past_the_program_are_found_beside_a_removal(mparchive: Archive, tmp_path: Path) -> None:
    assert mparchive("backfill", write_dump(tmp_path / "dump.json", POSTS), "--no-fetch").code == 0
    assert mparchive("forget", record(0)["文章标识符aid"], "--yes").code == 0
    assert mparchive.findings() == []
    mparchive.execute(
        "UPDATE chain_entries SET removed_by_id = (SELECT id FROM removals), version_id = NULL"
        " WHERE version_id = (SELECT min(id) FROM versions)"
    )
    assert any("does not list the chain entries" in found for found in mparchive.findings())
    mparchive.execute("UPDATE removals SET reason = 'another'")
    assert any(found.startswith("removals") and "hash chain" in found for found in mparchive.findings())


def test_an_address_marked_forgotten_without_a_removal_is_found(mparchive: Archive, tmp_path: Path) -> None:
    assert mparchive("backfill", write_dump(tmp_path / "dump.json", POSTS), "--no-fetch").code == 0
    mparchive.execute("UPDATE addresses SET last_outcome = 'forgotten', next_fetch_at = NULL WHERE id = 1")
    assert any("no removal lists it" in found for found in mparchive.findings())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say what to forget"),
        (("1_1", "--run", 1), "exactly one"),
        (("--run", 99), "there is no run 99"),
        (("--account", ""), "empty"),
        (("",), "empty"),
        (("--account", "无此号"), "无此号"),
        (("2650001001_9",), "there is no post 2650001001_9"),
        (("https://mp.weixin.qq.com/s/aaaaaaaaaaaaaaaaaaaaaa",), "there is no post"),
    ],
)
def test_what_names_nothing_is_refused_in_a_sentence(
    mparchive: Archive, arguments: tuple[object, ...], words: str
) -> None:
    done = mparchive("forget", *arguments, "--yes")
    assert (done.code, words in done.err, "Traceback" in done.err) == (2, True, False)
