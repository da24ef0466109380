"""The history and the difference as they are printed, and what cannot be compared."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console
from sqlalchemy import Engine
from typer.testing import CliRunner

from archive.db.engine import transaction
from archive.domain.errors import NotArchived
from archive.domain.text_diff import difference, with_context
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from mparchive.cli import app
from mparchive.commands.show import CONTEXT
from mparchive.console import marked_text
from mparchive.errors import CommandError, describe_failure
from tests.archive.making import NOW, article, capture, image, record
from tests.mparchive.commands.conftest import Run
from tests.mparchive.importers.test_warc import Writer
from tests.standin.pages import catalogue

Show = Callable[..., Result]


@pytest.fixture
def show(engine: Engine, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Show:
    """`mparchive show`, in an archive with one post of two versions and one of a single one."""
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("COLUMNS", "200")
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
        pages = [(None, capture(b"1")), (None, capture(b"2", minutes=5))]
        for number, kept in enumerate(store_captures(session, None, pages)):
            page = article(record(1, text="第一段\r另一段\r"), media=(image(f"{number}"), image("same", 1)))
            store_parse_results(session, None, [(kept, page)], NOW, 2)
    return lambda *arguments: CliRunner().invoke(app, ["show", *arguments])


def test_versions_pages_and_pictures_stand_in_one_time_line(show: Show) -> None:
    words = " ".join(show("1001_1", "--history").output.split())
    first, second = re.findall(r"capture (\d+) article", words)
    places = [
        words.index(event)
        for event in (
            f"2026-03-02 12:00:00 capture {first} article",
            "2026-03-02 12:00:00 pictures 1 picture of this page is on no later page",
            "2026-03-02 12:00:00 version 1 dump, 8 characters, 标题, recorded at 2026-03-02 12:00:00",
            "2026-03-02 12:00:00 version 2 page, parser 2, +2 −2 characters, 标题",
            f"2026-03-02 12:05:00 capture {second} article",
        )
    ]
    assert places == sorted(places)


def test_the_last_two_versions_are_compared_unless_others_are_named(show: Show) -> None:
    for arguments in (("1001_1", "--diff"), ("--diff", "1001_1"), ("1001_1", "--diff", "1..2")):
        assert show(*arguments).output.endswith("标题\n第一段\n[-第二-]{+另一+}段\n\n")


@pytest.mark.parametrize("name", [record(1).url, "1001_1", " １００１＿１ ", "mid=1001&idx=1"])
def test_a_post_is_shown_by_whatever_names_it(show: Show, name: str) -> None:
    assert show(name, "--text").stdout == "第一段\n另一段\n\n"
    assert show("--diff", name).output.endswith("{+另一+}段\n\n")


def test_several_posts_of_a_title_are_listed(show: Show) -> None:
    ended = show("标题").exception
    assert isinstance(ended, NotArchived)
    assert [line.split()[0] for line in str(ended).splitlines()[1:]] == ["1002_1", "1001_1"]


def test_the_summary_and_the_history_say_the_same_as_json(show: Show) -> None:
    assert '"gone_pictures"' in show("1001_1", "--json").output
    assert '"next_visit_at": null' in show("1001_1", "--history", "--json").output


def test_a_version_is_printed_whole(show: Show) -> None:
    first, second = (show("1001_1", "--version", number).output for number in ("1", "2"))
    assert first.splitlines() == [
        "标题",
        "version 1, recorded 2026-03-02T12:00:00+08:00, no capture of its page",
        "",
        "第一段",
        "第二段",
        "",
    ]
    assert second.splitlines()[1].startswith("version 2, captured 2026-03-02T12:00:00+08:00, SHA-256 ")
    assert second.splitlines()[3:5] == ["第一段", "另一段"]
    whole = json.loads(show("1001_1", "--version", "2", "--json").output)
    assert (whole["number"], whole["title"], whole["text"]) == (2, "标题", "第一段\r另一段\r")
    assert (whole["fetched_at"], len(whole["sha256"])) == ("2026-03-02T04:00:00+00:00", 64)
    assert "added" not in whole
    assert json.loads(show("1001_1", "--version", "1", "--json").output)["fetched_at"] is None


def test_a_version_that_does_not_exist_is_refused(show: Show) -> None:
    refused = show("1001_1", "--version", "3").exception
    assert str(refused) == "post 1001_1 has no version 3; it has 2 versions, 1 to 2"
    assert describe_failure(refused)[1] == 2  # type: ignore[arg-type,index]
    assert show("1001_1", "--version", "0").exit_code == 2
    assert "--version" in str(show("1001_1", "--version", "1", "--history").exception)


def test_what_cannot_be_compared_is_said(show: Show) -> None:
    for arguments, says in {
        ("1002_1", "--diff"): "there is 1 version; nothing to compare",
        ("1001_1", "--diff", "2..3"): "there is no version 3; there are 1 to 2",
        ("1001_1", "--diff", "0..2"): "there is no version 0",
        ("1001_1", "--diff", "2"): "takes two versions as 1..2",
        ("1001_1", "--diff", "--history"): "--history and --diff exclude each other",
        ("1001_1", "--text", "--json"): "--text and --json exclude each other",
    }.items():
        ended = show(*arguments).exception
        assert isinstance(ended, CommandError)
        assert says in str(ended)


def test_of_what_did_not_change_only_the_ends_are_shown() -> None:
    before, after = (
        "头" * 500 + "旧" + "中" * 500 + "甲" + "尾" * 9,
        "头" * 500 + "新" + "中" * 500 + "尾" * 9,
    )
    shown = marked_text(with_context(difference(before, after), CONTEXT), coloured=False).plain
    near = "中" * CONTEXT
    assert shown == f"…{'头' * CONTEXT}[-旧-]{{+新+}}{near}…{near}[-甲-]{'尾' * 9}"


def test_a_terminal_shows_changes_in_colours_and_without_marks() -> None:
    terminal = Console(force_terminal=True, color_system="standard", width=80)
    with terminal.capture() as printed:
        terminal.print(marked_text(difference("旧的", "新的"), coloured=True))
    assert printed.get() == "\x1b[9;31m旧\x1b[0m\x1b[4;32m新\x1b[0m的\n"


@pytest.mark.parametrize(("has_rest", "says"), [(False, "only the free preview"), (True, "archived whole")])
def test_a_paid_post_says_what_is_archived_of_it(
    show: Show, engine: Engine, has_rest: bool, says: str
) -> None:
    with transaction(engine) as session:
        (kept,) = store_captures(session, None, [(None, capture(b"3"))])
        page = article(record(3, title="付费"), page={"paid": True, "preview": not has_rest})
        store_parse_results(session, None, [(kept, page)], NOW, 6)
    assert says in show("1003_1").output
    assert "paid" not in show("1001_1").output
    exported = CliRunner().invoke(app, ["export"])
    assert ("1 of them is the free preview of a paid post" in exported.stderr) is not has_rest
    audited = CliRunner().invoke(app, ["audit"])
    assert ("1  free previews of paid posts" in audited.stdout) is not has_rest


def warc_of(year: int, words: str) -> bytes:
    """Return a WARC file with a page of a made-up post as it was in a year."""
    shown = next(one for one in catalogue() if one.notice is None)
    body = b"".join(shown.render(2000)).replace("云屿市".encode(), words.encode())
    return Writer().add(body, shown.expected.url, WARC_Date=f"{year}-06-01T00:00:00Z").content


@pytest.mark.parametrize("order", [(2023, 2024, 2025), (2025, 2024, 2023), (2025, 2023, 2024)])
@pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer
def test_warc_files_give_the_same_history_in_whatever_order_they_are_imported(
    mparchive: Run, tmp_path: Path, order: tuple[int, ...]
) -> None:
    for year in order:
        path = tmp_path / f"{year}.warc"
        path.write_bytes(warc_of(year, {2024: "改名市"}.get(year, "云屿市")))
        assert mparchive("backfill", path, "--no-fetch").code == 0
    (exported,) = json.loads(mparchive("export").out)
    aid = exported["文章标识符aid"]
    assert ("云屿市" in exported["finalContent"], "改名市" in exported["finalContent"]) == (True, False)
    versions = json.loads(mparchive("show", aid, "--history", "--json").out)["versions"]
    assert [(one["number"], one["at"][:4], one["dated_by"]) for one in versions] == [
        (order.index(year) + 1, str(year), "capture") for year in (2023, 2024, 2025)
    ]
    assert versions[0]["hash"] == versions[2]["hash"] != versions[1]["hash"]
    lines = mparchive("show", aid, "--history").out.splitlines()
    listed = [line[:19] for line in lines if line.startswith("20")]
    assert len(listed) >= 6 and listed == sorted(listed)
    assert mparchive("verify").code == 0


def test_a_version_of_a_saved_file_says_when_it_was_recorded(mparchive: Run, tmp_path: Path) -> None:
    shown = next(one for one in catalogue() if one.notice is None)
    saved = tmp_path / "page.html"
    saved.write_bytes(b"".join(shown.render(2000)))
    os.utime(saved, (1_600_000_000, 1_600_000_000))
    assert mparchive("backfill", saved, "--no-fetch").code == 0
    aid = json.loads(mparchive("export").out)[0]["文章标识符aid"]
    (version,) = json.loads(mparchive("show", aid, "--history", "--json").out)["versions"]
    assert (version["dated_by"], version["at"][:10]) == ("file", "2020-09-13")
    listed = " ".join(mparchive("show", aid, "--history").out.split())
    assert "the time is that of the saved file; recorded at 20" in listed
