"""The schema, as the migrations make it."""

import re
import subprocess
import sys
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from archive.db.engine import transaction
from archive.db.models import Base
from archive.db.schema import alembic_config, newest_revision
from archive.domain.update_decisions import StoreResult
from archive.ingest.pages import import_records, store_parse_results
from archive.repository import post_queries
from archive.repository.captures import store_captures
from archive.repository.incidents import open_incidents
from archive.repository.media import due_media, store_file
from archive.repository.search_index import check_search_index
from archive.storage.body_codec import decode_verified
from tests.archive.making import NOW, article, capture, image, kept_file, link, record, template

PAGES = [template(1) + str(number).encode() for number in (1, 2)]
STORED = text(
    "SELECT data, codec, bodies.sha256 FROM captures JOIN bodies USING (sha256) WHERE captures.id = :id"
)


def test_the_migrated_schema_is_that_of_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def is_ours(item: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
    """Leave out what Postgres adds to a foreign key whose target has partitions: a key for each of them."""
    is_key = kind == "foreign_key_constraint"
    return not (is_key and any(one.target_fullname.startswith("partitions.") for one in item.elements))


def test_a_database_with_data_goes_down_to_nothing_and_up_again(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
        kept = store_captures(session, None, [(None, capture(rendered=True, evaluated={"text": "改"}))])
        further = store_captures(session, None, [(None, capture(body)) for body in PAGES])[-1]
        page = article(record(text="改\r"), html="<p>改</p>", media=(image("a"),), links=(link(2),))
        store_parse_results(session, None, [(kept[0], page)], NOW, 1)
        (medium,) = due_media(session, NOW, 1, types=["image"])
        store_file(session, medium.id, kept_file(), NOW)
    for revision in ("0001", "head"):  # what the first schema holds stays
        with engine.begin() as connection:
            to = command.upgrade if revision == "head" else command.downgrade
            to(alembic_config(connection), revision)
        with transaction(engine) as session:
            assert session.scalar(text("SELECT aid FROM posts")) == record().aid
            if revision == "head":
                assert list(post_queries.records(session)) == [record(text="改\r")]
                stored = session.execute(STORED.bindparams(id=further)).one()
                assert decode_verified(*stored) == PAGES[-1]
            assert revision != "head" or check_search_index(session) == []
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    assert set(Base.metadata.tables) < set(inspect(engine).get_table_names())
    with transaction(engine) as session:
        assert import_records(session, None, [record()], "dump", NOW) == [StoreResult.NEW]


def test_every_constraint_and_index_is_named_by_the_rule(engine: Engine) -> None:
    tables = Base.metadata.tables.values()
    expected = {str(constraint.name) for table in tables for constraint in table.constraints}
    expected |= {str(index.name) for table in tables for index in table.indexes}
    made = text(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        " AND contype <> 'n' AND conparentid = 0"
        " UNION SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
    )
    with engine.connect() as connection:
        names = set(connection.execute(made).scalars()) - {"alembic_version_pkc"}
    assert names == expected
    assert all(re.fullmatch(r"(pk|uq|fk|ix|ck)__[a-z0-9_]+", name) for name in names)
    assert {"uq__posts__account_id_aid", "uq__addresses__mid_idx_biz", "pk__versions"} < names


def test_only_what_every_postgres_has_is_needed(engine: Engine) -> None:
    with engine.connect() as connection:
        extensions = connection.execute(text("SELECT extname FROM pg_extension")).scalars().all()
    assert extensions == ["plpgsql"]


def test_every_instant_has_a_zone(engine: Engine) -> None:
    kinds = text(
        "SELECT DISTINCT data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type LIKE 'time%'"
    )
    with engine.connect() as connection:
        assert connection.execute(kinds).scalars().all() == ["timestamp with time zone"]


def test_every_migration_opens_with_a_sentence(engine: Engine) -> None:
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection))
        for revision in scripts.walk_revisions():
            assert revision.doc.endswith("."), revision.path


def test_the_newest_revision_is_told_by_a_files_name_as_alembic_tells_it(engine: Engine) -> None:
    with engine.connect() as connection:
        assert newest_revision() == ScriptDirectory.from_config(alembic_config(connection)).get_current_head()


def test_an_archive_that_is_up_to_date_opens_without_alembic(fresh_database_url: str) -> None:
    opened = (
        "import sys; from archive.db.settings import ArchiveSettings\n"
        "from archive.db.engine import open_archive\n"
        f"with open_archive(ArchiveSettings(database_url={fresh_database_url!r})): pass\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", opened], check=True)


def test_every_table_says_what_it_holds_and_bodies_are_not_compressed_twice(engine: Engine) -> None:
    for table in Base.metadata.tables:
        assert inspect(engine).get_table_comment(table)["text"], table
    storage = text(
        "SELECT attstorage FROM pg_attribute"
        " WHERE attrelid = 'partitions.bodies_07'::regclass AND attname = 'data'"
    )
    with engine.connect() as connection:
        assert connection.execute(storage).scalar_one() in ("e", b"e")


def test_incidents_of_earlier_versions_keep_their_sentences(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0006")
    insert = text(
        "INSERT INTO incidents (key, words, remedy, opened_at, last_seen_at)"
        " VALUES ('quiet:x', 'no post for 5 days', 'look at the account', :now, :now)"
    )
    with engine.begin() as connection:
        connection.execute(insert, {"now": NOW})
        command.upgrade(alembic_config(connection), "head")
    with transaction(engine) as session:
        (row,) = open_incidents(session)
        assert row.code == "archive.verbatim"
        assert (row.words, row.remedy) == ("no post for 5 days", "look at the account")
        row.params = {"text": "changed", "remedy": "changed"}
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0006")
        words = connection.execute(text("SELECT words, remedy, seal = seal_of(incidents) FROM incidents"))
        assert words.all() == [("changed", "changed", True)]
