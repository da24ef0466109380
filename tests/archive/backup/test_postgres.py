"""Rows go out and in by COPY, with nothing else allowed, and programs are run without a database."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import ProgrammingError

from archive.backup import postgres
from archive.backup.backup_file import BackupDamaged, BackupError
from archive.backup.postgres import (
    Tool,
    advance_sequences,
    columns_of,
    copy_in,
    copy_out,
    described,
    find_tool,
    first_row,
    foreign_keys_checked_after,
    lock,
    only_inserting,
    output_of,
    prepare,
    tables_in,
)
from tests.archive.backup.places import Place, bring_back, is_empty
from tests.support.database import as_superuser

SHELL = Tool("/bin/sh", 0)


@pytest.fixture
def connection(shared_engine: Engine) -> Iterator[Connection]:
    """Yield a connection to an empty archive; what it does is rolled back."""
    with shared_engine.connect() as connection:
        prepare(connection)
        yield connection
        connection.rollback()


def accounts(connection: Connection, *rows: bytes) -> int:
    (table,) = [table for table in tables_in(connection) if table.name == "accounts"]
    return copy_in(connection, "public", table, ["id", "biz", "first_seen_at"], rows)


def test_a_table_comes_after_those_it_refers_to(connection: Connection) -> None:
    names = [table.name for table in tables_in(connection)]
    assert names.index("accounts") < names.index("posts") < names.index("versions")
    assert "alembic_version" not in names


def test_rows_that_went_out_come_in_again(original: Place, connection: Connection) -> None:
    with original[0].connect() as source:
        (before,) = described(source, [table for table in tables_in(source) if table.name == "accounts"])
        prepare(source)
        out = b"".join(copy_out(source, before))
    assert first_row(connection, tables_in(connection)) is None
    (table,) = [table for table in tables_in(connection) if table.name == "accounts"]
    pieces = (out[:7], out[7:])
    assert copy_in(connection, "public", table, columns_of(table), pieces) == before.rows > 0
    assert b"".join(copy_out(connection, before)) == out
    assert first_row(connection, tables_in(connection)) == "accounts"


def test_rows_that_a_table_does_not_take_are_refused_with_what_the_server_says(
    connection: Connection,
) -> None:
    with pytest.raises(BackupDamaged, match=r"rows of accounts cannot be loaded \(invalid input syntax .*x"):
        accounts(connection, b"x\tbiz\t2026-01-01\n")


def test_numbers_go_on_after_the_last_row(connection: Connection) -> None:
    accounts(connection, b"41\tMzA=\t2026-01-01\n")
    advance_sequences(connection, tables_in(connection))
    assert connection.scalar(text("SELECT nextval(pg_get_serial_sequence('accounts', 'id'))")) == 42


@pytest.fixture
def superuser(shared_engine: Engine) -> Iterator[Connection]:
    """Yield a superuser's connection to an empty archive; what it does is rolled back."""
    address = as_superuser(shared_engine.url.render_as_string(hide_password=False))
    with create_engine(address, poolclass=NullPool).connect() as connection:
        prepare(connection)
        yield connection


def test_a_superusers_rows_are_loaded_by_a_role_that_may_only_insert(superuser: Connection) -> None:
    connection, tables = superuser, tables_in(superuser)
    with only_inserting(connection, "public", tables):
        assert connection.scalar(text("SHOW is_superuser")) == "off"
        for forbidden in ("SELECT * FROM accounts", "COPY runs TO PROGRAM 'true'", "CREATE TABLE x ()"):
            with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
                connection.execute(text(forbidden))
        accounts(connection, b"1\tMzA=\t2026-01-01\n")
    assert connection.scalar(text("SHOW is_superuser")) == "on"
    assert connection.scalar(text("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'mparchive_load_%'")) == 0


def test_rows_may_come_in_any_order_but_not_refer_to_rows_that_are_missing(connection: Connection) -> None:
    source = text("INSERT INTO sources (account_id, type) VALUES (:account, 'feed')")
    with foreign_keys_checked_after(connection, tables_in(connection)):
        connection.execute(source, {"account": 1})
        accounts(connection, b"1\tMzA=\t2026-01-01\n")
    with (
        pytest.raises(BackupDamaged, match="sources in the backup refers to rows it lacks"),
        foreign_keys_checked_after(connection, tables_in(connection)),
    ):
        connection.execute(source, {"account": 2})


def test_a_database_that_another_program_uses_is_refused(
    backup: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", 1)
    with place[0].connect() as other:
        other.execute(text("SELECT count(*) FROM runs"))
        with place[0].connect() as connection, pytest.raises(BackupError, match="another program uses"):
            lock(connection, tables_in(connection))
        with pytest.raises(BackupError, match="another program uses this database"):
            bring_back(backup, place, tmp_path)
    assert is_empty(place)


def test_the_oldest_program_that_is_new_enough_is_found() -> None:
    found = find_tool("pg_restore", 0)
    assert found is not None
    printed = subprocess.run([found.path, "--version"], capture_output=True, text=True, check=True).stdout
    assert f"(PostgreSQL) {found.version}" in printed
    newer = find_tool("pg_restore", found.version + 1)
    assert newer is None or newer.version > found.version
    assert find_tool("pg_restore", 1000) is None
    assert find_tool("no-such-program", 0) is None


def test_a_program_that_fails_is_refused_with_its_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "somewhere")
    with Path(os.devnull).open("rb") as nothing:
        with output_of(SHELL, ["-c", "echo ${PGHOST:-none}"], nothing) as printed:
            assert printed.read() == b"none\n"
        failing = ["-c", "echo some; echo; printf 'it \\033[2J broke\\nat once\\n' >&2; exit 3"]
        with (
            pytest.raises(BackupError, match=r"^sh failed: it \?\[2J broke$"),
            output_of(SHELL, failing, nothing) as printed,
        ):
            assert printed.read() == b"some\n\n"
        with (
            pytest.raises(BackupError, match="it ended without a message"),
            output_of(SHELL, ["-c", "exit 1"], nothing),
        ):
            pass


def test_a_program_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "RUN_TIMEOUT", 0.05)
    with (
        Path(os.devnull).open("rb") as nothing,
        pytest.raises(BackupError, match="sleep failed"),
        output_of(Tool("/bin/sleep", 0), ["60"], nothing) as printed,
    ):
        assert printed.read() == b""
