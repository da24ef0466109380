"""Forged backups, whose manifests vouch for everything: nothing in them is executed, and lies are refused."""

import json
import stat
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from sqlalchemy import Engine

from archive.backup import backup_file
from archive.backup.backup_file import BackupDamaged, BackupError, opened
from archive.backup.old_format import tables_of_dump
from archive.backup.postgres import first_row, tables_in
from archive.backup.restore import restore
from archive.backup.write import write_backup
from archive.db.settings import ArchiveSettings
from archive.domain.errors import ArchiveError
from archive.storage.media_files import MediaFolder
from tests.archive.backup.forging import Change, forge
from tests.fixtures.make_archive_v0_1 import FIXTURE

Place = tuple[Engine, MediaFolder]
Manifest = dict[str, Any]
Members = dict[str, bytes]


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Place:
    """An empty archive."""
    return engine, MediaFolder(ArchiveSettings(home=tmp_path))


@pytest.fixture(scope="module")
def backup(module_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of today's format: of the archive of version 0.1."""
    home = tmp_path_factory.mktemp("home")
    folder = MediaFolder(ArchiveSettings(home=home))
    with opened(FIXTURE / "copy.backup") as old:
        restore(module_engine, folder, old, home)
    write_backup(module_engine, folder, home / "a.backup")
    return home / "a.backup"


@pytest.fixture
def proof() -> Iterator[Path]:
    """A file that the server's user could make, and that is never made."""
    with tempfile.TemporaryDirectory(prefix="mpf-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder) / "x"
        assert not (Path(folder) / "x").exists(), "a program was run"


def bring_back(path: Path, place: Place, room: Path) -> None:
    with opened(path) as backup:
        backup.check()
        restore(*place, backup, room)


def refused(path: Path, place: Place, room: Path, match: str) -> None:
    with pytest.raises(BackupDamaged, match=match):
        bring_back(path, place, room)
    with place[0].connect() as connection:
        assert first_row(connection, tables_in(connection)) is None
    assert not list(place[1].paths())


def statement_replaced(old: bytes, new: str) -> Change:
    """Put a statement of the same length into the dump's directory, which is not compressed."""

    def change(manifest: Manifest, members: Members) -> None:
        dump = members["database.dump"]
        start = dump.index(old)
        end = dump.index(b"\n", start)
        assert len(new) <= end - start
        members["database.dump"] = dump[:start] + new.ljust(end - start).encode() + dump[end:]

    return change


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
    assert not list(place[1].paths())


def test_of_the_text_of_a_dump_only_rows_are_read() -> None:
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


def renamed_table(manifest: Manifest, members: Members) -> None:
    manifest["tables"][0]["name"] = "runs; DROP TABLE posts"
    members_in_order(manifest, members)


def members_in_order(manifest: Manifest, members: Members) -> None:
    """Rename the first table's member as the manifest names the table."""
    first = manifest["tables"][0]["name"]
    names = [f"tables/{first}.copy" if name == "tables/accounts.copy" else name for name in members]
    contents = list(members.values())
    members.clear()
    members.update(zip(names, contents, strict=True))


def forged_column(manifest: Manifest, _members: Members) -> None:
    manifest["tables"][0]["columns"][0] = "id) FROM PROGRAM 'touch /tmp/x' --"


def repeated_column(manifest: Manifest, _members: Members) -> None:
    manifest["tables"][0]["columns"].append("id")


def foreign_table(manifest: Manifest, members: Members) -> None:
    manifest["tables"][0]["name"] = "alembic_version"
    members_in_order(manifest, members)


def removed_rows(manifest: Manifest, members: Members) -> None:
    manifest["tables"][0]["rows"] = 0
    members["tables/accounts.copy"] = b""


def fewer_rows(manifest: Manifest, _members: Members) -> None:
    manifest["tables"][0]["rows"] = 3


def no_rows(_manifest: Manifest, members: Members) -> None:
    members["tables/accounts.copy"] = b"\\! touch /tmp/x\n"


def ended_rows(_manifest: Manifest, members: Members) -> None:
    members["tables/accounts.copy"] = b"\\.\nCOPY accounts FROM PROGRAM 'touch /tmp/x';\n"


def other_heads(manifest: Manifest, _members: Members) -> None:
    manifest["heads"][0][1] += 1


def unknown_revision(manifest: Manifest, _members: Members) -> None:
    manifest["schema_revision"] = "0000"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (renamed_table, "has other tables than its schema"),
        (foreign_table, "has other tables than its schema"),
        (forged_column, "accounts in .* has other columns than its schema"),
        (repeated_column, "accounts in .* has other columns than its schema"),
        (removed_rows, "refers to rows it lacks"),
        (fewer_rows, "accounts in .* has 2 rows, not 3"),
        (no_rows, "rows of accounts cannot be loaded"),
        (ended_rows, "accounts"),
        (other_heads, "the chains of the backup end otherwise"),
        (unknown_revision, "there never was a schema of revision 0000"),
    ],
)
def test_a_backup_that_lies_is_refused_whole(
    backup: Path, place: Place, tmp_path: Path, change: Change, match: str
) -> None:
    refused(forge(backup, tmp_path / "forged.backup", change), place, tmp_path, match)


@pytest.mark.parametrize("revision", ["head", "base", "0001:0006", "-1"])
def test_a_revision_that_is_a_command_for_alembic_is_refused(
    backup: Path, tmp_path: Path, revision: str
) -> None:
    def change(manifest: Manifest, _members: Members) -> None:
        manifest["schema_revision"] = revision

    path = forge(backup, tmp_path / "forged.backup", change)
    with pytest.raises(BackupDamaged, match=r"manifest\.json .* is damaged"), opened(path):
        pass


def small(path: Path, change_directory: tuple[int, bytes] | None = None, **member: Any) -> Path:
    """A zip of the mark, one more member and an empty manifest; a few bytes of its directory changed."""
    info = ZipInfo(member.get("name", "media/x"))
    info.external_attr = member.get("attributes", 0)
    with ZipFile(path, "w", ZIP_DEFLATED) as out:
        out.writestr(ZipInfo("mparchive-backup"), "")
        out.writestr(info, b"x")
        out.writestr("manifest.json", json.dumps({"format": 2}))
    if change_directory:
        content, (at, new) = bytearray(path.read_bytes()), change_directory
        at += content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)  # of the member between
        content[at : at + len(new)] = new
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("member", "match"),
    [
        ({"attributes": (stat.S_IFLNK | 0o777) << 16}, "media/x in .* is no ordinary file"),
        ({"name": "media/"}, "media/ in .* is no ordinary file"),
        ({"name": "manifest.json"}, "two members of one name"),
        ({"name": "media/\x1b[2Jx", "attributes": stat.S_IFLNK << 16}, r"media/\?\[2Jx in"),
        ({"change_directory": (8, b"\x01")}, "media/x in .* is listed as encrypted"),
        ({"change_directory": (10, b"\x0c")}, "listed as compressed in an unknown way"),
        ({"change_directory": (24, b"\xff")}, "listed with two sizes"),
        ({"change_directory": (42, struct.pack("<L", 0))}, "the members of .* overlap"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_no_backup_is_is_refused(tmp_path: Path, member: dict[str, Any], match: str) -> None:
    path = small(tmp_path / "forged.backup", **member)
    with pytest.raises(BackupDamaged, match=match), opened(path):
        pass


def test_a_bomb_is_refused_before_it_is_unpacked(backup: Path, tmp_path: Path) -> None:
    def change(_manifest: Manifest, members: Members) -> None:
        members["tables/accounts.copy"] = bytes(backup_file.RATIO_APPLIES_FROM + 1)

    plain = forge(backup, tmp_path / "plain", change)
    path = tmp_path / "bomb.backup"
    with ZipFile(plain) as whole, ZipFile(path, "w", ZIP_DEFLATED) as out:
        for name in whole.namelist():
            out.writestr(name, whole.read(name))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(BackupDamaged, match="unpacks to over 100 times its size"), opened(path):
        pass


def test_a_bomb_in_an_old_backup_is_refused(place: Place, tmp_path: Path) -> None:
    from backports import zstd

    def change(_manifest: Manifest, members: Members) -> None:
        members["tables/absences.copy.zst"] = zstd.compress(bytes(backup_file.RATIO_APPLIES_FROM + 1))

    path = forge(FIXTURE / "copy.backup", tmp_path / "forged.backup", change)
    refused(path, place, tmp_path, "rows of absences cannot be loaded|unpacks to over 100 times its size")


def test_no_damage_of_the_fixture_makes_an_unexpected_error(tmp_path: Path) -> None:
    """Every error for a changed byte is one of ours: some bytes of each member, of every kind of backup."""
    path = tmp_path / "damaged.backup"
    for name in ("copy.backup", "pg_dump.backup"):
        content = (FIXTURE / name).read_bytes()
        for at in range(0, len(content), 997):
            changed = bytearray(content)
            changed[at] ^= 1 + zlib.crc32(bytes(changed[:8])) % 255
            path.write_bytes(changed)
            try:
                with opened(path) as backup:
                    backup.check()
            except ArchiveError:
                pass
