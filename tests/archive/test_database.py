"""Opening the archive, and what is said when it cannot be opened."""

import pytest
from sqlalchemy import Engine, text

from archive.config import ArchiveSettings
from archive.database import open_archive, transaction
from archive.errors import DatabaseUnavailable
from archive.store import start_run
from tests.archive.making import NOW


def refused(url: str) -> str:
    """What is said about this address."""
    with pytest.raises(DatabaseUnavailable) as caught, open_archive(ArchiveSettings(database_url=url)):
        pass
    return str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    said = refused("postgresql://me:s3cret@127.0.0.1:1/archive")
    assert "127.0.0.1:1/archive" in said
    assert "MPARCHIVE_DATABASE_URL" in said
    assert "s3cret" not in said
    assert "\n" not in said


@pytest.mark.parametrize("url", ["not an address", "mysql://host/name"])
def test_what_is_not_the_address_of_a_postgres_is_said_so(url: str) -> None:
    assert "MPARCHIVE_DATABASE_URL" in refused(url)


def test_a_schema_from_a_newer_program_is_left_alone(engine: Engine, fresh_database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer" in refused(fresh_database_url)


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = ArchiveSettings()
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", "")
    monkeypatch.setenv("MPARCHIVE_HOME", "")
    assert ArchiveSettings() == unset


def test_settings_shown_in_an_error_hold_no_password() -> None:
    assert "s3cret" not in repr(ArchiveSettings(database_url="postgresql://me:s3cret@host/name"))


def test_a_transaction_that_fails_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), transaction(engine) as session:
        start_run(session, "backfill", {}, NOW)
        raise ZeroDivisionError
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar_one() == 0
