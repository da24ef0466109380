"""Where the archive is, by the environment."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from archive.db.settings import ArchiveSettings
from archive.domain.errors import DatabaseUnavailable
from tests.support.secret_files import put_secret

ADDRESS = "postgresql://mparchive@postgres:5432/mparchive"


@pytest.fixture
def password_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "database_password"
    put_secret(path, "p@ss/wörd:1\n")
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", ADDRESS)
    monkeypatch.setenv("MPARCHIVE_DATABASE_PASSWORD_FILE", str(path))
    return path


def test_the_password_may_stand_in_a_file(password_file: Path) -> None:
    url = make_url(ArchiveSettings().database_url or "")
    assert (url.password, url.username, url.host, url.database) == (
        "p@ss/wörd:1",
        "mparchive",
        "postgres",
        "mparchive",
    )
    assert "wörd" not in repr(ArchiveSettings())


def test_a_file_without_a_password_is_named(password_file: Path) -> None:
    put_secret(password_file, " \n")
    with pytest.raises(DatabaseUnavailable, match="database_password is empty"):
        ArchiveSettings()
    password_file.chmod(0o644)
    with pytest.raises(DatabaseUnavailable, match=f"chmod 600 {password_file}"):
        ArchiveSettings()
    put_secret(password_file, "x" * 5000)
    with pytest.raises(DatabaseUnavailable, match="over 4096 bytes"):
        ArchiveSettings()
    password_file.unlink()
    with pytest.raises(DatabaseUnavailable, match="cannot be read: no such file"):
        ArchiveSettings()


def test_without_an_address_the_embedded_server_needs_no_password(
    password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", "")
    assert ArchiveSettings().database_url is None
