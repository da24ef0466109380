"""`mparchive verify` prints findings and a verdict, and its exit code tells whether there are any."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.ingest.pages import import_records
from archive.integrity.process_pool import CheckProcessKilled
from archive.integrity.verifier import verify_archive
from archive.repository.hash_chain import chain_heads
from mparchive.commands import verify
from mparchive.commands.verify import MAX_HEADS_FILE, PROGRESS_FILE, read_heads
from mparchive.errors import CommandError, Exit
from tests.archive.making import NOW, record
from tests.mparchive.commands.conftest import Run


def damage(engine: Engine) -> None:
    """Import two posts, and change the URL of one past the program."""
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
    with transaction(engine) as session:
        session.execute(text("UPDATE posts SET url = 'forged' WHERE aid = '1002_1'"))


def test_a_sound_archive_has_exit_code_0_and_its_heads_are_saved(
    mparchive: Run, engine: Engine, tmp_path: Path
) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1)], "dump", NOW)
        heads = chain_heads(session)
    ended = mparchive("verify", "--save-head", tmp_path / "heads.json")
    assert (ended.code, ended.out) == (Exit.DONE, "")
    assert "verification passed (" in ended.err
    assert list(read_heads(tmp_path / "heads.json").chains)[: len(heads)] == heads
    assert mparchive("verify", "--only", "chains", "--head", tmp_path / "heads.json").code == Exit.DONE


@pytest.mark.usefixtures("engine")
def test_of_an_empty_archive_nothing_is_called_verified(mparchive: Run) -> None:
    for _ in range(2):  # the second time there is the row of the first verification
        ended = mparchive("verify")
        assert (ended.code, ended.out) == (Exit.DONE, "")
        assert "there is nothing to verify yet: the archive holds no posts and no pages" in ended.err
        assert "passed" not in ended.err
    assert json.loads(mparchive("verify", "--json").out)["empty"] is True


def test_a_difference_is_named_with_exit_code_7_and_no_head_is_saved(
    mparchive: Run, engine: Engine, tmp_path: Path
) -> None:
    damage(engine)
    ended = mparchive("verify", "--only", "facts", "--save-head", tmp_path / "heads.json")
    assert ended.code == Exit.INTEGRITY
    assert ended.out.startswith("posts 2: its description is not what its last entry")
    assert "verification failed: 1 difference from what was archived (1 facts)" in ended.err
    assert "heads.json is not written, because verification failed" in ended.err
    assert not (tmp_path / "heads.json").exists()
    as_json = json.loads(mparchive("verify", "--only", "facts", "--json").out)
    assert (as_json["sound"], len(as_json["findings"])) == (False, 1)


@pytest.mark.usefixtures("in_chinese")
def test_the_verdict_is_in_the_language_of_the_process(mparchive: Run, engine: Engine) -> None:
    damage(engine)
    ended = mparchive("verify", "--only", "facts")
    assert "校验未通过：有 1 处与存档时不一致" in ended.err
    assert "没有名为 'pictures' 的检查；--only 可用：ties" in mparchive("verify", "--only", "pictures").err


def test_an_archive_that_lost_entries_does_not_match_its_saved_heads(
    mparchive: Run, engine: Engine, tmp_path: Path
) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1)], "dump", NOW)
        (head,) = chain_heads(session)
    saved = [{**head._asdict(), "length": head.length + 5}]
    (tmp_path / "heads.json").write_text(json.dumps({"heads": saved}))
    ended = mparchive("verify", "--only", "facts", "--head", tmp_path / "heads.json")
    assert ended.code == Exit.INTEGRITY
    assert f"has {head.length} entries" in ended.out


def test_options_that_name_nothing_are_refused(mparchive: Run, tmp_path: Path) -> None:
    no_heads, large = tmp_path / "no_heads.json", tmp_path / "large.json"
    no_heads.write_text('{"biz": 1}')
    with large.open("wb") as file:
        file.truncate(MAX_HEADS_FILE + 1)
    for arguments, words in {
        ("--only", "facts,pictures"): "there is no check 'pictures'; --only takes ties, ",
        ("--head", no_heads): "contains no heads; give a file of --save-head, a feed, an answer of",
        ("--head", large): f"is larger than {MAX_HEADS_FILE} bytes",
        ("--head", tmp_path / "none.json"): "none.json cannot be read (No such file or directory)",
    }.items():
        ended = mparchive("verify", *arguments)
        assert (ended.code, ended.out) == (Exit.USAGE, "")
        assert words in ended.err


def test_a_verification_is_resumed_unless_it_is_to_start_anew(
    mparchive: Run, engine: Engine, tmp_path: Path
) -> None:
    def stop(check: str, _done: int, _total: int) -> None:
        if check == "posts":
            raise KeyboardInterrupt

    for options, code in ((), Exit.DONE), (("--anew",), Exit.INTEGRITY):
        with transaction(engine) as session:
            session.execute(text("TRUNCATE accounts, chains, heads CASCADE"))
            import_records(session, None, [record(1), record(2)], "dump", NOW)
        context = verify.check_context(verify.ArchiveSettings())
        checks, progress = ("facts", "posts"), tmp_path / PROGRESS_FILE
        with pytest.raises(KeyboardInterrupt):
            verify_archive(engine, context, only=checks, progress_file=progress, on_progress=stop)
        assert progress.exists()
        damage(engine)
        assert mparchive("verify", "--only", "facts,posts", *options).code == code


def test_a_killed_process_ends_the_command_with_exit_code_3(
    shared_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise CheckProcessKilled("a process was killed")

    monkeypatch.setattr(verify, "verify_archive", killed)
    with pytest.raises(CommandError, match="a process was killed") as raised:
        verify.verify_with(shared_engine, verify.ArchiveSettings(), ())
    assert raised.value.code is Exit.PARTLY_FAILED
