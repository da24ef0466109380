"""`mparchive backup` and `mparchive restore` say what was backed up, and what is missing or damaged."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.storage.media_files import MediaFolder
from mparchive.errors import Exit
from tests.archive.backup.forging import Manifest, Members, forge
from tests.archive.backup.s3_server import BUCKET, s3_server, use_s3
from tests.archive.integrity.filling import keep_files
from tests.archive.making import NOW, article, capture, image, record
from tests.mparchive.commands.conftest import Run
from tests.support.database import database_from


@pytest.fixture
def filled(engine: Engine, tmp_path: Path) -> MediaFolder:
    """Archive a post with a picture; return its media folder."""
    folder = MediaFolder(ArchiveSettings(home=tmp_path))
    with transaction(engine) as session:
        import_records(session, None, [record(2)], "dump", NOW)
        (number,) = store_captures(session, None, [(None, capture())])
        store_parse_results(session, None, [(number, article(record(1), media=(image("a"),)))], NOW, 1)
        keep_files(session, folder)
    return folder


@pytest.mark.usefixtures("filled")
def test_a_backup_is_summed_up_and_checked(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("backup", tmp_path / "a.backup", "--no-verify")
    assert ended.code == Exit.DONE
    summary = r"2 posts, 1 captures, 1 files, of \d{4}-\d\d-\d\d \d\d:\d\d UTC, \d+ bytes"
    assert re.search(rf"a\.backup: {summary}; verified after writing", ended.err)
    checked = mparchive("restore", "--check", tmp_path / "a.backup")
    assert checked.code == Exit.DONE
    assert re.search(rf"a\.backup is intact: {summary}", checked.err)


def test_a_backup_is_recorded_as_a_run_and_a_failed_one_is_not(mparchive: Run, tmp_path: Path) -> None:
    assert mparchive("backup", str(tmp_path / "a.backup")).code == 0
    assert mparchive("backup", str(tmp_path / "a.backup")).code == 2
    runs = json.loads(mparchive("status", "--json").out)["last_runs"]
    assert [run["verdict"] for run in runs if run["command"] == "backup"] == ["done"]


@pytest.mark.usefixtures("filled", "in_chinese")
def test_the_summary_is_in_the_language_of_the_process(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("backup", tmp_path / "a.backup", "--no-verify")
    assert "2 篇文章、1 条抓取记录、1 个文件，备份时间 " in ended.err
    assert ended.err.rstrip().endswith("写入后已校验")


def test_a_missing_file_is_named_with_exit_code_3(
    mparchive: Run, filled: MediaFolder, tmp_path: Path
) -> None:
    (path,) = filled.paths()
    filled.remove(path)
    ended = mparchive("backup", tmp_path / "a.backup", "--no-verify")
    assert ended.code == Exit.PARTLY_FAILED
    assert f"not in the backup: {path} is not in the media folder" in ended.err


@pytest.mark.usefixtures("filled")
def test_a_damaged_archive_is_backed_up_with_exit_code_7(
    mparchive: Run, engine: Engine, tmp_path: Path
) -> None:
    with transaction(engine) as session:
        session.execute(text("ALTER TABLE posts DISABLE TRIGGER USER"))
        session.execute(text("UPDATE posts SET title = 'forged' WHERE id = 1"))
        session.execute(text("ALTER TABLE posts ENABLE TRIGGER USER"))
    ended = mparchive("backup", tmp_path / "a.backup")
    assert ended.code == Exit.INTEGRITY
    assert "posts 1: " in ended.err
    assert "the archive is damaged; the backup contains what could be read" in ended.err
    assert (tmp_path / "a.backup").exists()


@pytest.mark.usefixtures("filled")
def test_a_backup_is_restored_into_an_empty_place_only(
    mparchive: Run,
    use: Callable[[Engine], Run],
    module_engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mparchive("backup", tmp_path / "a.backup", "--no-verify")
    full = mparchive("restore", tmp_path / "a.backup")
    assert full.code == Exit.USAGE
    assert "there is an archive here already (a row in " in full.err
    use(module_engine)
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path / "empty"))
    restored = mparchive("restore", tmp_path / "a.backup")
    assert restored.code == Exit.DONE, restored.err
    assert "restored 2 posts, 1 captures, 1 files" in restored.err
    assert len(list((tmp_path / "empty" / "media").rglob("*.png"))) == 1


def test_a_file_that_is_no_backup_is_refused_before_a_database_is_opened(
    mparchive: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/x")
    (tmp_path / "x").write_bytes(b"x")
    ended = mparchive("restore", tmp_path / "x")
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert "x is no backup; name a file that `mparchive backup` wrote" in ended.err


@pytest.fixture
def elsewhere(
    use: Callable[[Engine], Run],
    server_url: str,
    template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[], Engine]]:
    """Yield what lets the command use another, empty archive from then on."""
    for url in database_from(server_url, f"TEMPLATE {template}"):
        with open_archive(ArchiveSettings(database_url=url)) as empty:

            def move() -> Engine:
                use(empty)
                monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path / "empty"))
                return empty

            yield move


def posts_in(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM posts")) or 0


def forge_version(_manifest: Manifest, members: Members) -> None:
    """Change the text of a version: row counts, member hashes and chain heads stay right."""
    rows = members["tables/versions.copy"]
    assert "第一段".encode() in rows
    members["tables/versions.copy"] = rows.replace("第一段".encode(), "伪造段".encode())


@pytest.mark.usefixtures("filled")
def test_rows_that_do_not_pass_verification_are_not_restored(
    mparchive: Run, elsewhere: Callable[[], Engine], tmp_path: Path
) -> None:
    mparchive("backup", tmp_path / "a.backup", "--no-verify")
    forged = forge(tmp_path / "a.backup", tmp_path / "forged.backup", forge_version)
    assert mparchive("restore", "--check", forged).code == Exit.DONE, "the file is whole"
    engine = elsewhere()
    refused = mparchive("restore", forged)
    assert (refused.code, posts_in(engine)) == (Exit.INTEGRITY, 0)
    assert "versions 1: its title and text do not have its content_hash" in refused.err
    assert "did not pass verification, so nothing was restored" in refused.err
    assert not list((tmp_path / "empty" / "media").rglob("*.png"))
    assert mparchive("restore", tmp_path / "a.backup").code == Exit.DONE


@pytest.mark.usefixtures("filled")
def test_a_damaged_backup_is_restored_as_it_is_where_that_is_asked_for(
    mparchive: Run, elsewhere: Callable[[], Engine], tmp_path: Path
) -> None:
    mparchive("backup", tmp_path / "a.backup", "--no-verify")
    damaged = forge(tmp_path / "a.backup", tmp_path / "damaged.backup", forge_version)
    engine = elsewhere()
    restored = mparchive("restore", damaged, "--allow-damage")
    assert (restored.code, posts_in(engine)) == (Exit.INTEGRITY, 2)
    assert "versions 1: its title and text do not have its content_hash" in restored.err
    assert "the restored archive is damaged" in restored.err


def test_a_backup_that_lists_a_missing_file_is_restored_with_exit_code_3(
    mparchive: Run, filled: MediaFolder, elsewhere: Callable[[], Engine], tmp_path: Path
) -> None:
    (path,) = filled.paths()
    filled.remove(path)
    assert mparchive("backup", tmp_path / "a.backup", "--no-verify").code == Exit.PARTLY_FAILED
    engine = elsewhere()
    restored = mparchive("restore", tmp_path / "a.backup")
    assert (restored.code, posts_in(engine)) == (Exit.PARTLY_FAILED, 2)
    assert f"not in the backup: {path} is not in the media folder" in restored.err


@pytest.mark.usefixtures("filled")
def test_a_backup_whose_chains_avoid_a_saved_head_is_not_restored(
    mparchive: Run, elsewhere: Callable[[], Engine], tmp_path: Path
) -> None:
    heads, wrong = tmp_path / "heads.json", tmp_path / "wrong.json"
    mparchive("backup", tmp_path / "a.backup", "--no-verify")
    assert mparchive("verify", "--save-head", heads).code == Exit.DONE
    saved = json.loads(heads.read_bytes())
    saved[0]["digest"] = "00" * 32
    wrong.write_text(json.dumps(saved), encoding="utf-8")
    engine = elsewhere()
    for options in ([], ["--allow-damage"]):
        refused = mparchive("restore", tmp_path / "a.backup", "--head", wrong, *options)
        assert (refused.code, posts_in(engine)) == (Exit.INTEGRITY, 0)
        assert "does not pass through the head saved at entry" in refused.err
    assert mparchive("restore", tmp_path / "a.backup", "--head", heads).code == Exit.DONE
    assert posts_in(engine) == 2


def test_options_about_restored_rows_are_refused_with_check(mparchive: Run, tmp_path: Path) -> None:
    for options in (["--head", tmp_path / "heads.json"], ["--allow-damage"]):
        ended = mparchive("restore", "--check", tmp_path / "a.backup", *options)
        assert (ended.code, ended.out) == (Exit.USAGE, "")
        assert "--check does not load the backup" in ended.err


@pytest.mark.usefixtures("filled")
def test_backups_are_sent_to_a_place_and_restored_from_it(
    mparchive: Run, elsewhere: Callable[[], Engine], tmp_path: Path
) -> None:
    place = tmp_path / "place"
    first = mparchive("backup", "--to", place)
    assert first.code == Exit.DONE, first.err
    (name,) = re.findall(
        rf"{place}@(\S+): 2 posts, .*; sent \d+ objects \(\d+ bytes\), 0 were there", first.err
    )
    again = mparchive("backup", "--to", f"file://{place}", "--no-verify")
    (sent,) = re.findall(r"sent (\d+) object", again.err)
    assert int(sent) <= 3  # what the run of the first backup has changed
    (run, _) = json.loads(mparchive("status", "--json").out)["last_runs"][:2]
    assert (run["command"], run["verdict"]) == ("backup", "done")
    checked = mparchive("restore", "--check", f"{place}@{name}")
    assert (checked.code, f"@{name} is intact: 2 posts" in checked.err) == (Exit.DONE, True)
    elsewhere()
    restored = mparchive("restore", place)
    assert restored.code == Exit.DONE, restored.err
    assert "restored 2 posts, 1 captures, 1 files" in restored.err
    full = mparchive("restore", place)
    assert (full.code, "there is an archive here already" in full.err) == (Exit.USAGE, True)


@pytest.mark.usefixtures("filled")
def test_a_place_that_is_damaged_restores_nothing(
    mparchive: Run, elsewhere: Callable[[], Engine], tmp_path: Path
) -> None:
    mparchive("backup", "--to", tmp_path / "place", "--no-verify")
    largest = max((tmp_path / "place" / "rows").rglob("*.zst"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    empty = elsewhere()
    for options in ((), ("--check",), ("--verify-only",)):
        ended = mparchive("restore", tmp_path / "place", *options)
        assert (ended.code, f"{largest.name} in " in ended.err) == (Exit.INTEGRITY, True), ended.err
    assert posts_in(empty) == 0


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("kind", ["file", "place"])
def test_a_backup_is_verified_in_a_database_of_its_own(mparchive: Run, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "a.backup"
    mparchive("backup", *(["--to"] if kind == "place" else []), target, "--no-verify")
    ended = mparchive("restore", "--verify-only", target)
    assert ended.code == Exit.DONE, ended.err
    assert "was restored into a temporary database, verified and removed again" in ended.err
    forged = forge(target, tmp_path / "forged.backup", forge_version) if kind == "file" else None
    if forged:
        ended = mparchive("restore", "--verify-only", forged)
        assert (ended.code, "did not pass verification" in ended.err) == (Exit.INTEGRITY, True)


def test_either_a_file_or_a_place_is_named(mparchive: Run, tmp_path: Path) -> None:
    for arguments in ((), (tmp_path / "a.backup", "--to", tmp_path / "place")):
        ended = mparchive("backup", *arguments)
        assert (ended.code, "name either a file or" in ended.err) == (Exit.USAGE, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("filled")
def test_a_backup_of_an_archive_of_todays_goes_through_s3(
    mparchive: Run, elsewhere: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server() as address:
        use_s3(monkeypatch, address)
        sent = mparchive("backup", "--to", f"s3://{BUCKET}/posts", "--no-verify")
        assert (sent.code, f"s3://{BUCKET}/posts@" in sent.err) == (Exit.DONE, True), sent.err
        elsewhere()
        restored = mparchive("restore", f"s3://{BUCKET}/posts")
        assert (restored.code, "restored 2 posts" in restored.err) == (Exit.DONE, True), restored.err


KILLED = """
import os, signal, sys
from archive.backup.object_store import ObjectStore
from mparchive.cli import main
write, count = ObjectStore.write, 0
def write_or_die(store, name, content):
    global count
    count += name.startswith(("rows", "media"))
    if count > 5:
        os.kill(os.getpid(), signal.SIGKILL)
    write(store, name, content)
ObjectStore.write = write_or_die
main()
"""


@pytest.mark.usefixtures("filled")
def test_a_backup_that_was_killed_is_none_and_is_made_by_the_same_command(
    mparchive: Run, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    arguments = ["backup", "--to", str(place), "--no-verify"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    none = mparchive("restore", place)
    assert (none.code, "has no complete backup yet" in none.err) == (Exit.USAGE, True)
    ended = mparchive(*arguments)
    assert ended.code == Exit.DONE, ended.err
    (kept,) = re.findall(r"(\d+) were there already", ended.err)
    assert int(kept)
    assert mparchive("restore", "--check", place).code == Exit.DONE


@pytest.mark.usefixtures("filled")
def test_older_backups_of_a_place_are_removed(mparchive: Run, tmp_path: Path) -> None:
    place = tmp_path / "place"
    mparchive("backup", "--to", place, "--no-verify")
    ended = mparchive("backup", "--to", place, "--no-verify", "--keep", "1d,1m")
    assert ended.code == Exit.DONE, ended.err
    assert re.search(
        r"1 older backup and \d+ objects that only it needed were removed; 1 are left", ended.err
    )
    assert mparchive("restore", "--check", place).code == Exit.DONE
    for arguments in (("--to", place, "--keep", "7x"), (tmp_path / "a.backup", "--keep", "7d")):
        refused = mparchive("backup", *arguments)
        assert refused.code == Exit.USAGE
        assert "7d,4w,12m" in refused.err or "it needs --to" in refused.err
    assert len(list((place / "backups").iterdir())) == 1


def test_nothing_is_removed_while_an_older_backup_may_have_what_the_archive_lacks(
    mparchive: Run, filled: MediaFolder, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    mparchive("backup", "--to", place, "--no-verify")
    (path,) = filled.paths()
    filled.remove(path)
    ended = mparchive("backup", "--to", place, "--no-verify", "--keep", "1d")
    assert ended.code == Exit.PARTLY_FAILED
    assert "no older backup was removed, because one of them may have" in ended.err
    assert len(list((place / "backups").iterdir())) == 2
