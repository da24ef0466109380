"""A backup that was damaged or forged is refused, by name, before anything in it is used."""

import errno
import gc
import hashlib
import io
import json
import stat
import struct
import zlib
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from archive.backup import backup_file
from archive.backup.backup_file import MARK, BackupDamaged, BackupError, Writer, opened, rows_of
from archive.domain.errors import ArchiveError
from tests.archive.backup.forging import forge, with_a_file_named
from tests.archive.backup.places import Place, bring_back, is_empty
from tests.fixtures.make_archive_v0_1 import FIXTURE

Manifest = dict[str, Any]
Members = dict[str, bytes]


def test_the_writer_reports_size_and_hash_of_each_member_and_the_progress() -> None:
    out, progress = io.BytesIO(), list[tuple[str, int]]()
    writer = Writer(out, lambda name, done: progress.append((name, done)))
    first = writer.add("tables/x.copy", [b"ab", b"c"], compressed=True)
    second = writer.add("media/y", [b"defg"], compressed=False)
    assert (first.size, second.size) == (3, 4)
    assert first.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert progress == [("tables/x.copy", 2), ("tables/x.copy", 3), ("media/y", 7)]
    assert out.getvalue().index(MARK.encode()) < 64


class FullDisk(io.BytesIO):
    """A file on a disk without space, which fails once it is closed as well."""

    def write(self, _: object) -> int:
        self.close()
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_start_leaves_nothing_to_close_later() -> None:
    with pytest.raises(OSError, match="No space left"):
        Writer(FullDisk(), lambda name, done: None)
    gc.collect()  # an open zip would fail here, which pytest reports


@pytest.mark.slow
def test_both_formats_tell_the_rows_of_each_table(small_backup: Path) -> None:
    counts = []
    for path in (small_backup, FIXTURE / "copy.backup", FIXTURE / "pg_dump.backup"):
        with opened(path) as backup:
            counts.append({name: rows_of(backup.manifest)[name] for name in ("accounts", "posts", "files")})
            assert len(backup.manifest.media) == counts[-1]["files"]
    assert counts[0] == counts[1] == counts[2]
    assert counts[0]["posts"] > 0


def damaged_places(content: bytes) -> list[tuple[str, bytes]]:
    """Flip a bit in each sort of member, and cut the file in several places."""
    flips = {
        r"tables/bodies\.copy": content.index(b"tables/bodies.copy") + 5000,
        "media/": content.index(b"\x89PNG") + 50,
        r"manifest\.json": content.index(b"manifest.json") + 200,
    }
    flipped = [
        (name, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]) for name, at in flips.items()
    ]
    cuts = (flips[r"tables/bodies\.copy"], flips["media/"], len(content) - 10)
    return flipped + [("is cut off or damaged", content[:at]) for at in cuts]


def test_damage_is_named_before_anything_is_written(backup: Path, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "damaged.backup"
    for name, content in damaged_places(backup.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(BackupDamaged, match=name):
            bring_back(path, place, tmp_path)
    assert is_empty(place)


@pytest.mark.slow
def test_no_flipped_bit_in_the_list_of_members_makes_another_error(
    small_backup: Path, tmp_path: Path
) -> None:
    """Not every flip is an error: when and by which program a member was written does not matter."""
    path = tmp_path / "small.backup"
    with_a_file_named(small_backup, "x", path)
    content = path.read_bytes()
    directory = range(content.rindex(b"PK\x01\x02"), len(content))
    for at, bit in product(directory, range(8)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        with suppress(BackupDamaged, BackupError), opened(path) as damaged:
            damaged.check()


@pytest.mark.slow
def test_no_damage_of_an_old_backup_makes_an_unexpected_error(tmp_path: Path) -> None:
    """Change some bytes of each member, of every kind of backup: every error is one of ours."""
    path, damaged = tmp_path / "damaged.backup", 0
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
                damaged += 1
    assert damaged > 0


def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, small_backup: Path) -> None:
    for content in (b"", b"[]", b"PK\x03\x04" + bytes(100), small_backup.read_bytes()[10:]):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(BackupError, match="is no backup"), opened(tmp_path / "x"):
            pass
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(BackupError, match="cannot be read"), opened(path):
            pass


def test_a_backup_of_a_newer_format_is_refused(small_backup: Path, tmp_path: Path) -> None:
    def change(manifest: Manifest, _members: Members) -> None:
        manifest["format"] = backup_file.FORMAT + 1

    path = forge(small_backup, tmp_path / "newer.backup", change)
    with pytest.raises(BackupError, match="made by a newer mparchive; install that"), opened(path):
        pass


def test_members_that_the_manifest_does_not_list_are_named(small_backup: Path, tmp_path: Path) -> None:
    def change(_manifest: Manifest, members: Members) -> None:
        members["media/added"] = b"x"

    path = forge(small_backup, tmp_path / "forged.backup", change)
    with pytest.raises(BackupDamaged, match=r"are not those it lists \(media/added\)"), opened(path):
        pass


def test_a_member_that_unpacks_to_fewer_bytes_than_listed_is_refused(tmp_path: Path) -> None:
    """Change the size in the directory and in the manifest, which then agree."""
    table = {
        "name": "x",
        "columns": ["id"],
        "rows": 1,
        "size": 4,
        "sha256": hashlib.sha256(b"1\n").hexdigest(),
    }
    manifest = {"format": 2, "program": "1", "schema_revision": "0001", "server": 17, "heads": []}
    manifest |= {"made_at": "2026-03-02T04:00:00Z", "lacking": [], "tables": [table], "media": []}
    path = tmp_path / "short.backup"
    with ZipFile(path, "w", ZIP_DEFLATED) as out:
        out.writestr(ZipInfo(MARK), "")
        out.writestr("tables/x.copy", b"1\n")
        out.writestr("manifest.json", json.dumps(manifest))
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"PK\x01\x02"))
    content[entry + 24 : entry + 28] = struct.pack("<L", 4)
    path.write_bytes(content)
    with (
        opened(path) as backup,
        pytest.raises(BackupDamaged, match=r"tables/x\.copy in .* is not what was written"),
    ):
        list(backup.pieces(backup.manifest.members[0]))


@pytest.mark.parametrize("revision", ["head", "base", "0001:0006", "-1"])
def test_a_revision_that_is_a_command_for_alembic_is_refused(
    small_backup: Path, tmp_path: Path, revision: str
) -> None:
    def change(manifest: Manifest, _members: Members) -> None:
        manifest["schema_revision"] = revision

    path = forge(small_backup, tmp_path / "forged.backup", change)
    with pytest.raises(BackupDamaged, match=r"manifest\.json .* damaged"), opened(path):
        pass


def small_zip(path: Path, change_directory: tuple[int, bytes] | None = None, **member: Any) -> Path:
    """Write a zip of the mark, one more member and an empty manifest; change a few bytes of its directory."""
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
    path = small_zip(tmp_path / "forged.backup", **member)
    with pytest.raises(BackupDamaged, match=match), opened(path):
        pass


@pytest.mark.slow
def test_a_bomb_is_refused_before_it_is_unpacked(small_backup: Path, tmp_path: Path) -> None:
    def change(_manifest: Manifest, members: Members) -> None:
        members["tables/accounts.copy"] = bytes(backup_file.RATIO_APPLIES_FROM + 1)

    plain = forge(small_backup, tmp_path / "plain", change)
    path = tmp_path / "bomb.backup"
    with ZipFile(plain) as whole, ZipFile(path, "w", ZIP_DEFLATED) as out:
        for name in whole.namelist():
            out.writestr(name, whole.read(name))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(BackupDamaged, match="unpacks to over 100 times its size"), opened(path):
        pass
