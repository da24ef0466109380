"""Opening the archive, and what is said when it cannot be opened."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from archive.db.engine import READER_NAME, Readers, open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.errors import DatabaseUnavailable
from archive.repository.runs import start_run
from tests.archive.making import NOW
from tests.support.database import as_superuser

ROOT = Path(__file__).resolve().parents[3]


def refused(url: str) -> str:
    """Return the error message for this address."""
    with pytest.raises(DatabaseUnavailable) as caught, open_archive(ArchiveSettings(database_url=url)):
        pass
    return str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    said = refused("postgresql://me:s3cret@127.0.0.1:1/archive")
    assert "127.0.0.1:1/archive" in said
    assert "MPARCHIVE_DATABASE_URL" in said
    assert "s3cret" not in said
    assert "\n" not in said


REFUSED = {
    "no address": "not an address",
    "another database": "mysql://me:s3cret@127.0.0.1/archive",
    "a file": "sqlite:///s3cret.db",
    "a port that is no number": "postgresql://me:s3cret@127.0.0.1:port/archive",
    "nobody listening": "postgresql://me:s3cret@127.0.0.1:1/archive",
    "nobody listening, password in the query": "postgresql://127.0.0.1:1/archive?user=me&password=s3cret",
    "no such option": "postgresql://me:s3cret@127.0.0.1:1/archive?nonsense=s3cret",
    "no such host": "postgresql://me:s3cret@host.invalid/archive",
    "a password with @": "postgresql://me:p@s3cret@127.0.0.1:1/archive",
    "a password with @ and /": "postgresql://me:p@s3cret/x@127.0.0.1:1/archive",
    "a password with / and @": "postgresql://me:p/a@s3cret@127.0.0.1:1/archive",
    "a password with @ and :": "postgresql://me:p@a:s3cret@127.0.0.1:1/archive",
    "a password with ? and @": "postgresql://me:p?a@s3cret@127.0.0.1:1/archive",
    "a password with ? after @": "postgresql://me:p@s3cret?x@127.0.0.1:1/archive",
    "a password with / and :": "postgresql://me:p/a:s3cret@127.0.0.1:1/archive",
    "a password with # and %": "postgresql://me:#%zzs3cret@127.0.0.1:1/archive",
    "no such socket": "postgresql://me:s3cret@/archive?host=/nowhere",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_an_address_is_one_sentence_without_the_password(url: str) -> None:
    said = refused(url)
    assert "MPARCHIVE_DATABASE_URL" in said
    assert "s3cret" not in said
    assert "\n" not in said
    assert len(said) < 400


def test_the_short_name_of_the_scheme_is_good_enough(fresh_database_url: str) -> None:
    short = fresh_database_url.replace("postgresql+psycopg://", "postgres://")
    with open_archive(ArchiveSettings(database_url=short)) as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM posts")).scalar_one() == 0


def test_a_database_that_is_not_there_is_named(fresh_database_url: str) -> None:
    missing = make_url(fresh_database_url).set(database="nowhere")
    assert '"nowhere" does not exist' in refused(missing.render_as_string(hide_password=False))


def test_a_user_that_may_not_make_tables_is_told_so(empty_database_url: str) -> None:
    superuser = create_engine(as_superuser(empty_database_url), poolclass=NullPool)
    with superuser.begin() as connection:
        connection.execute(text("CREATE ROLE guest LOGIN"))
    guest = make_url(empty_database_url).set(username="guest")
    said = refused(guest.render_as_string(hide_password=False))
    with superuser.begin() as connection:
        connection.execute(text("DROP ROLE guest"))
    assert "permission denied" in said


def test_every_session_counts_its_time_in_utc_and_has_a_bound(engine: Engine) -> None:
    with engine.connect() as connection:
        shown = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in
                 ("timezone", "statement_timeout", "application_name")]  # fmt: skip
    assert shown == ["UTC", "10min", "mparchive"]


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


def test_readers_cannot_write_and_have_small_bounds(engine: Engine) -> None:
    settings = {
        "transaction_read_only": "on",
        "transaction_isolation": "repeatable read",
        "statement_timeout": "10s",
        "jit": "off",
        "TimeZone": "UTC",
        "application_name": READER_NAME,
    }
    with Readers(engine) as readers, readers.session() as session:
        assert {name: session.scalar(text(f"SHOW {name}")) for name in settings} == settings


@pytest.mark.parametrize("ending", ["server", "client"])
def test_a_reader_whose_connection_was_closed_gets_another(engine: Engine, ending: str) -> None:
    with Readers(engine) as readers:
        with readers.session() as session:
            first = session.scalars(text("SELECT pg_backend_pid()")).one()
            connection = session.connection().connection.dbapi_connection
        if ending == "server":
            with transaction(engine) as session:  # both are of the same role
                assert session.scalar(text(f"SELECT pg_terminate_backend({first}, 5000)"))
        else:
            assert connection is not None
            connection.close()
        with readers.session() as session:
            assert session.scalars(text("SELECT pg_backend_pid()")).one() != first


def test_there_is_one_place_that_makes_engines() -> None:
    packages = ("archive", "crawler", "web", "scheduler", "mparchive")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    assert sum(path.read_text(encoding="utf-8").count("create_engine(") for path in files) == 1
