"""Backups of format 1 are read as data only: nothing in them is executed."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archive.backup import backup_file
from archive.backup.backup_file import BackupDamaged, BackupError, ManifestV1, opened
from archive.backup.old_format import old_tables, tables_of_dump
from tests.archive.backup.forging import Change, forge
from tests.archive.backup.places import Place, bring_back, is_empty, refused
from tests.fixtures.make_archive_v0_1 import FIXTURE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Manifest = dict[str, Any]
Members = dict[str, bytes]


@pytest.fixture
def proof() -> Iterator[Path]:
    """Yield a path where the server's user could make a file; check that it never did."""
    with tempfile.TemporaryDirectory(prefix="mpf-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder) / "x"
        assert not (Path(folder) / "x").exists(), "a program was run"


def statement_replaced(old: bytes, new: str) -> Change:
    """Put a statement of the same length into the dump's directory, which is not compressed."""

    def change(manifest: Manifest, members: Members) -> None:
        dump = members["database.dump"]
        start = dump.index(old)
        end = dump.index(b"\n", start)
        assert len(new) <= end - start
        members["database.dump"] = dump[:start] + new.ljust(end - start).encode() + dump[end:]

    return change


def tables_of(path: Path, room: Path) -> dict[str, bytes]:
    with opened(path) as backup:
        assert isinstance(backup.manifest, ManifestV1)
        return {name: b"".join(rows) for name, _, rows in old_tables(backup, backup.manifest, room)}


def test_both_kinds_of_old_backup_give_the_rows_their_manifests_count(tmp_path: Path) -> None:
    for name in ("copy.backup", "pg_dump.backup"):
        with opened(FIXTURE / name) as backup:
            expected = {table.name: table.rows for table in backup.manifest.tables}
        found = tables_of(FIXTURE / name, tmp_path)
        assert {table: found[table].count(b"\n") for table in expected} == expected


@pytest.mark.parametrize("statement", ["COPY public.absences (id) FROM PROGRAM 'touch {}';", "\\! touch {}"])
def test_a_statement_in_an_old_dump_is_not_executed(
    place: Place, tmp_path: Path, proof: Path, statement: str
) -> None:
    change = statement_replaced(b"COPY public.absences", statement.format(proof))
    path = forge(FIXTURE / "pg_dump.backup", tmp_path / "forged.backup", change)
    refused(path, place, tmp_path, "absences in .* has 0 rows, not 1")


def test_statements_beside_the_rows_of_an_old_dump_are_not_executed(
    place: Place, tmp_path: Path, proof: Path
) -> None:
    statement = f"COPY(SELECT 1)TO PROGRAM'>{proof}'--"
    change = statement_replaced(b"SELECT pg_catalog.setval('public.addresses_id_seq'", statement)
    bring_back(forge(FIXTURE / "pg_dump.backup", tmp_path / "forged.backup", change), place, tmp_path)


def test_an_old_dump_without_a_pg_restore_that_reads_it_is_refused(place: Place, tmp_path: Path) -> None:
    def change(manifest: Manifest, _members: Members) -> None:
        manifest["tool"] = 99

    path = forge(FIXTURE / "pg_dump.backup", tmp_path / "new.backup", change)
    with pytest.raises(BackupError, match="written with pg_dump 99, and no pg_restore of that version"):
        bring_back(path, place, tmp_path)
    assert is_empty(place)


def test_a_dump_that_pg_restore_cannot_read_is_refused_with_its_message(tmp_path: Path) -> None:
    def change(_manifest: Manifest, members: Members) -> None:
        members["database.dump"] = members["database.dump"][:2000]

    path = forge(FIXTURE / "pg_dump.backup", tmp_path / "cut.backup", change)
    with pytest.raises(BackupError, match="pg_restore failed: pg_restore: error: "):
        tables_of(path, tmp_path)


def test_a_table_whose_member_is_missing_is_named(tmp_path: Path) -> None:
    def change(_manifest: Manifest, members: Members) -> None:
        del members["tables/posts.copy.zst"]

    path = forge(FIXTURE / "copy.backup", tmp_path / "forged.backup", change)
    with pytest.raises(BackupDamaged, match=r"lacks tables/posts\.copy\.zst"):
        tables_of(path, tmp_path)


def test_a_table_that_is_not_packed_with_zstd_is_named(tmp_path: Path) -> None:
    def change(_manifest: Manifest, members: Members) -> None:
        members["tables/posts.copy.zst"] = b"1\tplain text\n"

    path = forge(FIXTURE / "copy.backup", tmp_path / "forged.backup", change)
    with pytest.raises(BackupDamaged, match=r"tables/posts\.copy\.zst in .* is damaged"):
        tables_of(path, tmp_path)


def test_a_bomb_in_an_old_backup_is_refused(place: Place, tmp_path: Path) -> None:
    def change(_manifest: Manifest, members: Members) -> None:
        members["tables/absences.copy.zst"] = zstd.compress(bytes(backup_file.RATIO_APPLIES_FROM + 1))

    path = forge(FIXTURE / "copy.backup", tmp_path / "forged.backup", change)
    refused(path, place, tmp_path, "rows of absences cannot be loaded|unpacks to over 100 times its size")


def test_a_long_line_that_comes_in_pieces_begins_no_table() -> None:
    lines = [b"-- a long comment, then ", b"COPY public.a (id) FROM stdin;\n", b"1\n", b"\\.\n"]
    assert [table.name for table in tables_of_dump(iter(lines))] == []
    assert [table.name for table in tables_of_dump(iter(lines[1:]))] == ["a"]


def test_only_rows_are_read_of_the_text_of_a_dump() -> None:
    dump = b"""
\\! touch x
CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN COPY a FROM PROGRAM 'x'; END $$;
CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f();
 COPY public.indented (id) FROM stdin;
COPY public.programmed (id) FROM PROGRAM 'touch x';
COPY public.a (id, "position") FROM stdin;
1\tCOPY public.b (id) FROM stdin;
\\\\.
\\.
COPY "somebody's \"\"schema\"\"\".b (id, "x) FROM PROGRAM 'touch x' --") FROM stdin;
\\.
COPY public."Not; ours" (id) FROM stdin;
COPY public.c (id) FROM stdin;
\\.
SELECT pg_catalog.setval('public.a_id_seq', 1, true);
COPY d (id) FROM stdin;
2
"""
    found = [
        (name, columns, b"".join(rows)) for name, columns, rows in tables_of_dump(iter(dump.splitlines(True)))
    ]
    assert found == [
        ("a", ("id", "position"), b"1\tCOPY public.b (id) FROM stdin;\n\\\\.\n"),
        ("b", ("id", "\"x) FROM PROGRAM 'touch x' --\""), b""),
        ("d", ("id",), b"2\n"),
    ]
