"""What the roles of the database may do, in new data folders, in old ones, and on a server of one's own."""

import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from archive.db import roles
from archive.db.embedded_access import server_account
from archive.db.embedded_server import embedded_postgres
from archive.db.engine import Readers, engine_at, open_archive, open_as_reader, transaction
from archive.db.roles import OWNER, READER, grant_reader, role_warnings
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.errors import DatabaseUnavailable
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import submit_sightings
from tests.archive.backup.own_server import own_server
from tests.archive.making import NOW, article, capture, record
from tests.docs.markdown import DOCS, text_of
from tests.fixtures.make_archive_v0_1 import FIXTURE, row_counts
from tests.support.database import as_reader, as_superuser

EXPECTED_ROWS = json.loads((FIXTURE / "expected.json").read_text())["rows"]
OBJECTS = """
    SELECT relname::text FROM pg_class WHERE relnamespace = ANY ('{public,jobs,derived}'::regnamespace[])
        AND pg_get_userbyid(relowner) <> 'mparchive_owner'
    UNION ALL
    SELECT proname FROM pg_proc WHERE pronamespace = ANY ('{public,jobs,derived}'::regnamespace[])
        AND pg_get_userbyid(proowner) <> 'mparchive_owner'
    UNION ALL
    SELECT typname FROM pg_type WHERE typnamespace = ANY ('{public,jobs,derived}'::regnamespace[])
        AND pg_get_userbyid(typowner) <> 'mparchive_owner'
"""
RIGHTS = """
    SELECT table_schema, table_name, column_name, privilege_type FROM information_schema.column_privileges
    WHERE grantee = :role
"""
FORBIDDEN = {
    "change a post": "UPDATE posts SET title = 'x'",
    "change a post's address": "UPDATE posts SET url = 'x'",
    "delete a post": "DELETE FROM posts",
    "add a post": "INSERT INTO posts DEFAULT VALUES",
    "change a capture": "UPDATE captures SET status = 0",
    "delete a capture": "DELETE FROM captures",
    "change a body": "UPDATE bodies SET data = ''",
    "change a partition of bodies": "UPDATE partitions.bodies_00 SET data = ''",
    "add a capture": "INSERT INTO captures DEFAULT VALUES",
    "empty a table": "TRUNCATE captures",
    "rename an account": "UPDATE accounts SET name = 'x'",
    "take an address": "UPDATE addresses SET biz = 'x'",
    "delete an address": "DELETE FROM addresses",
    "rewrite the chain": "DELETE FROM chain_entries",
    "add a job": "INSERT INTO jobs.procrastinate_jobs DEFAULT VALUES",
    "make a table": "CREATE TABLE own (id int)",
    "make a function": "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "extend the chain": "INSERT INTO chain_entries DEFAULT VALUES",
    "withhold a fact": "DELETE FROM pending_facts",
    "record a head": "INSERT INTO heads DEFAULT VALUES",
    "run a program": "COPY posts (title) FROM PROGRAM 'id'",
    "write a file": "COPY posts (title) TO '/tmp/mparchive-own'",
    "read a file": "SELECT pg_read_file('/etc/passwd')",
    "read passwords": "SELECT * FROM pg_authid",
    "become the owner": "SET ROLE mparchive_owner",
    "become the superuser": "SET SESSION AUTHORIZATION postgres",
    "make a role": "CREATE ROLE own",
}


@pytest.fixture(scope="module")
def filled(module_engine: Engine) -> Engine:
    """Return an archive with one post."""
    with transaction(module_engine) as session:
        captures = store_captures(session, None, [(None, capture())])
        store_parse_results(session, None, [(captures[0], article(record(1)))], NOW, 1)
    return module_engine


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_webs_role_may_not(filled: Engine, statement: str) -> None:
    reading = create_engine(as_reader(filled), poolclass=NullPool)
    with reading.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
            connection.execute(text(statement))


def test_the_owner_may_not_act_on_the_server_either(filled: Engine) -> None:
    for statement in ("COPY posts (title) FROM PROGRAM 'id'", "SELECT * FROM pg_authid", "CREATE ROLE own"):
        with filled.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(statement))


def test_the_webs_role_reads_every_table_and_files_links(filled: Engine) -> None:
    reading = engine_at(as_reader(filled))
    sightings = [SightingData(parse_address(record(number).url), "inbox", NOW) for number in (1, 2, 2)]
    with transaction(reading) as session:
        for table in ("posts", "captures", "versions", "chain_entries", "jobs.procrastinate_jobs"):
            session.execute(text(f"SELECT count(*) FROM {table}"))
        filed = submit_sightings(session, sightings, NOW, statement_seconds=10)
        again = submit_sightings(session, sightings, NOW, statement_seconds=10)
    reading.dispose()
    assert [one.is_new for one in filed] == [True, True, True]
    assert [one.is_new for one in again] == [False, False, False]


def test_only_rights_that_the_reader_lacks_are_granted(engine: Engine) -> None:
    has_read = text(f"SELECT has_table_privilege('{READER}', 'posts', 'SELECT')")
    changed = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
    with engine.begin() as connection:
        connection.execute(text(f"REVOKE ALL ON sightings, posts FROM {READER}"))
    for expected in (True, False):
        with engine.begin() as connection:
            assert connection.scalar(has_read) is not expected
            grant_reader(connection)
            assert connection.scalar(has_read)
            assert connection.scalar(changed) is expected


def test_rights_that_are_too_wide_are_reported(engine: Engine, fresh_database_url: str) -> None:
    superuser = create_engine(as_superuser(fresh_database_url), poolclass=NullPool)
    reading = create_engine(as_reader(engine), poolclass=NullPool)
    found = {}
    for name, opened in (("superuser", superuser), ("owner", engine), ("reader", reading)):
        with opened.connect() as connection:
            found[name] = [warning.code for warning in role_warnings(connection, reads_only=True)]
    assert found == {
        "superuser": ["archive.role.superuser"],
        "owner": ["archive.role.reader_writes"],
        "reader": [],
    }
    with engine.connect() as connection:
        assert role_warnings(connection) == []


@pytest.fixture
def home() -> Iterator[Path]:
    """Return an empty data folder that the embedded server's user can enter."""
    with tempfile.TemporaryDirectory(prefix="mparchive-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def asked(url: str, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_an_embedded_server_has_an_owner_who_is_no_superuser_and_readers(home: Path) -> None:
    settings = ArchiveSettings(home=home)
    with open_archive(settings) as owner, open_as_reader(settings) as reading, Readers(reading) as readers:
        assert (owner.url.username, reading.url.username) == (OWNER, READER)
        with owner.connect() as connection, readers.session() as session:
            assert connection.scalar(text("SHOW is_superuser")) == "off"
            assert session.scalar(text("SELECT current_user")) == READER
            assert session.scalar(text("SELECT count(*) FROM posts")) == 0
            assert not session.scalar(text("SELECT has_database_privilege(current_database(), 'TEMP')"))
        assert asked(owner.url.render_as_string(hide_password=False), OBJECTS) == []


def test_a_data_folder_of_version_0_1_is_handed_over_once(home: Path) -> None:
    with tarfile.open(FIXTURE / "data-folder.tar.xz") as packed:
        packed.extractall(home, filter="tar")
    account = server_account(home)
    for path in [home, *home.rglob("*")]:
        os.chown(path, account.uid, account.gid)
    with open_as_reader(ArchiveSettings(home=home)) as reading:
        with open_archive(ArchiveSettings(home=home)) as owner:
            assert row_counts(owner) == EXPECTED_ROWS
        superuser = as_superuser(owner.url.render_as_string(hide_password=False))
        assert asked(superuser, OBJECTS) == []
        assert asked(superuser, f"SELECT rolsuper FROM pg_roles WHERE rolname = '{OWNER}'") == [(False,)]
        catalog = "SELECT xmin::text FROM pg_database UNION ALL SELECT xmin::text FROM pg_authid"
        before = asked(superuser, catalog)
        with embedded_postgres(home):
            assert asked(superuser, catalog) == before
        with reading.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM posts")) == EXPECTED_ROWS["posts"]


def test_a_table_that_an_older_program_makes_later_is_handed_over_too(home: Path) -> None:
    with embedded_postgres(home) as url:
        made = create_engine(as_superuser(url), poolclass=NullPool)
        with made.begin() as connection:
            connection.execute(text("CREATE TABLE later (id int GENERATED ALWAYS AS IDENTITY)"))
        with embedded_postgres(home):
            owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
            assert asked(url, owners) == [(OWNER,)]


def test_the_readers_address_alone_needs_a_schema_that_is_up_to_date(
    empty_database_url: str, fresh_database_url: str
) -> None:
    def reader(url: str) -> ArchiveSettings:
        address = make_url(url).set(username=READER).render_as_string(hide_password=False)
        return ArchiveSettings(reader_database_url=address)

    with pytest.raises(DatabaseUnavailable) as caught, open_as_reader(reader(empty_database_url)):
        pass
    assert caught.value.message.code == "archive.database.not_migrated"
    with open_as_reader(reader(fresh_database_url)) as reading:
        assert reading.url.username == READER


def test_an_address_for_readers_is_used_beside_the_owners(empty_database_url: str) -> None:
    address = make_url(empty_database_url).set(username=READER).render_as_string(hide_password=False)
    settings = ArchiveSettings(database_url=empty_database_url, reader_database_url=address)
    with open_as_reader(settings) as reading, reading.connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == READER
        assert connection.scalar(text("SELECT count(*) FROM posts")) == 0


def test_a_wrong_address_for_readers_is_named(fresh_database_url: str) -> None:
    settings = ArchiveSettings(database_url=fresh_database_url, reader_database_url="nonsense")
    with (
        pytest.raises(DatabaseUnavailable, match="MPARCHIVE_READER_DATABASE_URL"),
        open_as_reader(settings),
    ):
        pass


def test_the_rights_in_the_document_are_those_that_are_granted(
    engine: Engine, fresh_database_url: str
) -> None:
    (statements,) = re.findall(r"```sql\n(.*?)```", text_of(DOCS / "how-to" / "database-roles.md"), re.DOTALL)
    superuser = create_engine(as_superuser(fresh_database_url), poolclass=NullPool)
    found = {}
    with superuser.connect() as connection:
        connection.execute(text("CREATE ROLE readers"))
        connection.execute(text("SET LOCAL ROLE mparchive_owner"))
        connection.execute(text(statements))
        connection.execute(text("SET LOCAL ROLE NONE"))
        for role in (READER, "readers"):
            rights = connection.execute(text(RIGHTS), {"role": role})
            found[role] = {tuple(row) for row in rights if row.table_schema == "public"}
    assert found["readers"] == found[READER]
    assert ("public", "posts", "title", "SELECT") in found[READER]


def test_an_archive_of_a_superuser_is_handed_over_on_any_server() -> None:
    script = Path(roles.__file__).with_name("roles.sql").read_text()
    with own_server() as server:
        settings = ArchiveSettings(database_url=server.database_url)
        with open_archive(settings) as engine, engine.connect() as connection:
            (warning,) = role_warnings(connection)
        assert warning.code == "archive.role.superuser"
        for _ in range(2):
            server.sh(f"psql -v ON_ERROR_STOP=1 -d mparchive <<'EOF'\n{script}\nEOF")
        assert asked(server.database_url, OBJECTS) == []
        url = make_url(server.database_url).set(username=OWNER).render_as_string(hide_password=False)
        reader = make_url(url).set(username=READER).render_as_string(hide_password=False)
        settings = ArchiveSettings(database_url=url, reader_database_url=reader)
        with open_as_reader(settings) as reading, reading.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM posts")) == 0
            assert role_warnings(connection, reads_only=True) == []
