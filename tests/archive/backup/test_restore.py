"""What is restored is what was there; a backup that cannot be restored whole leaves the archive empty."""

import io
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import OperationalError

from archive.backup.backup_file import BackupDamaged, BackupError, NotEmpty, opened, rows_of
from archive.backup.postgres import columns_of, tables_in
from archive.backup.write import write_backup
from archive.db import schema
from archive.db.embedded_server import SUPERUSER
from archive.db.engine import engine_at, transaction
from archive.db.models import SERIALS, Post
from archive.db.roles import OWNER
from archive.db.schema import add_capture_months
from archive.export.warc import write_warc
from archive.ingest.pages import import_records
from archive.repository import notes
from archive.repository.capture_selection import Selection
from archive.repository.captures import store_captures
from archive.repository.hash_chain import append_captures
from archive.repository.notes import Note
from tests.archive.backup.forging import Change, Manifest, Members, forge, with_a_file_named
from tests.archive.backup.places import Place, bring_back, is_empty, refused, rows
from tests.archive.making import NOW, capture, record


def warc(place: Place) -> bytes:
    out = io.BytesIO()
    with transaction(place[0]) as session:
        write_warc(session, Selection(), place[1], out)
    return out.getvalue()


def constraints(engine: Engine) -> list[tuple]:
    """Return every constraint, and every trigger with whether it fires."""
    with engine.connect() as connection:
        return [
            tuple(row)
            for query in (
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated"
                " FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2",
                "SELECT tgrelid::regclass::text, tgname, tgenabled::text"
                " FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2",
            )
            for row in connection.execute(text(query))
        ]


def constrain_versions(place: Place, condition: str | None) -> None:
    """Let the table of versions take only some rows; None: again all."""
    change = f"ADD CONSTRAINT never CHECK ({condition})" if condition else "DROP CONSTRAINT never"
    with place[0].begin() as connection:
        connection.execute(text(f"ALTER TABLE versions {change}"))


def test_what_is_restored_is_what_was_there(
    original: Place, backup: Path, place: Place, tmp_path: Path
) -> None:
    before = constraints(place[0])
    bring_back(backup, place, tmp_path)
    assert rows(place[0]) == rows(original[0])
    assert constraints(place[0]) == before
    assert list(place[1].paths()) == list(original[1].paths())
    assert warc(place) == warc(original)
    with opened(backup) as whole, place[0].begin() as connection:  # numbers go on
        run = text("INSERT INTO runs (command, started_at) VALUES ('x', now()) RETURNING id")
        assert connection.scalar(run) == rows_of(whole.manifest)["runs"] + 1


def test_a_damaged_row_comes_back_damaged(
    backup: Path, place: Place, second_place: Place, tmp_path: Path
) -> None:
    bring_back(backup, place, tmp_path)
    with place[0].begin() as connection:
        connection.execute(text("UPDATE accounts SET name = 'forged'"))
    write_backup(*place, tmp_path / "damaged.backup")
    bring_back(tmp_path / "damaged.backup", second_place, tmp_path)
    with second_place[0].connect() as connection:
        assert connection.scalar(text("SELECT DISTINCT name FROM accounts")) == "forged"


def test_an_archive_that_is_there_is_not_touched(
    original: Place, backup: Path, place: Place, tmp_path: Path
) -> None:
    before = rows(original[0])
    with pytest.raises(NotEmpty, match="a row in accounts"):
        bring_back(backup, (original[0], place[1]), tmp_path)
    assert rows(original[0]) == before
    place[1].put(b"x", bytes(32), ".png")
    with pytest.raises(NotEmpty, match="media folder is not empty"):
        bring_back(backup, place, tmp_path)
    assert not any(rows(place[0]).values())


def test_a_failure_half_way_leaves_the_archive_empty(backup: Path, place: Place, tmp_path: Path) -> None:
    constrain_versions(place, "number < 0")
    refused(backup, place, tmp_path, r"the rows of versions cannot be loaded .*never")
    constrain_versions(place, None)
    bring_back(backup, place, tmp_path)


def test_nobody_reads_a_row_before_it_is_verified_and_a_refusal_leaves_the_archive_empty(
    backup: Path, place: Place, tmp_path: Path
) -> None:
    def verify(connection: Connection) -> None:
        assert connection.scalar(text("SELECT count(*) FROM posts"))
        with place[0].connect() as other:
            other.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                other.execute(text("SELECT count(*) FROM posts"))
        raise BackupDamaged("archive.backup.not_verified", path="a.backup")

    with pytest.raises(BackupDamaged, match="did not pass verification, so nothing was restored"):
        bring_back(backup, place, tmp_path, verify)
    assert is_empty(place)


@pytest.mark.parametrize(("user", "loads"), [(OWNER, OWNER), (SUPERUSER, "mparchive_load_%")])
def test_the_rows_are_loaded_by_a_role_that_is_no_superuser(
    backup: Path, place: Place, tmp_path: Path, user: str, loads: str
) -> None:
    place = engine_at(place[0].url.set(username=user)), place[1]
    who = f"current_setting('is_superuser') = 'off' AND current_user LIKE '{loads}'"
    constrain_versions(place, who)
    bring_back(backup, place, tmp_path)
    with place[0].connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM versions"))
    place[0].dispose()


def test_media_files_that_an_interrupted_restore_has_left_are_used(
    original: Place, backup: Path, place: Place, tmp_path: Path
) -> None:
    first, _ = original[1].paths()
    digest = bytes.fromhex(Path(first).stem)
    place[1].put(original[1].get(first, digest), digest, ".png")
    constrain_versions(place, "number < 0")
    with pytest.raises(BackupDamaged, match="never"):
        bring_back(backup, place, tmp_path)
    assert list(place[1].paths()) == [first]
    constrain_versions(place, None)
    bring_back(backup, place, tmp_path)
    assert list(place[1].paths()) == list(original[1].paths())


def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    backup: Path, place: Place, second_place: Place, tmp_path: Path
) -> None:
    """Compare the columns that both schemas have; chains grow by the facts of the rows."""
    bring_back(backup, place, tmp_path)
    search_index = rows(place[0])["post_search_documents"]
    with place[0].begin() as connection:
        newest = {table.name: columns_of(table) for table in tables_in(connection)}
        schema.migrate(connection, "0005")
        columns = {
            table.name: [name for name in columns_of(table) if name in newest[table.name] and name != "seal"]
            for table in tables_in(connection)
            if table.name not in ("chains", "chain_entries", "post_words")
        }
        entries = set(connection.execute(text("SELECT content, digest FROM chain_entries")))
    expected = rows(place[0], columns)
    assert write_backup(*place, tmp_path / "older.backup").schema_revision == "0005"
    bring_back(tmp_path / "older.backup", second_place, tmp_path)
    assert rows(second_place[0], columns) == expected
    assert rows(second_place[0])["post_search_documents"] == search_index
    assert search_index
    with second_place[0].connect() as connection:
        assert schema.revision(connection) == schema.newest_revision()
        assert entries < set(connection.execute(text("SELECT content_digest, digest FROM chain_entries")))


def test_a_file_that_is_not_named_by_its_content_overwrites_nothing_outside(
    small_backup: Path, place: Place, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"somebody's")
    with_a_file_named(small_backup, "../precious", tmp_path / "forged.backup")
    refused(
        tmp_path / "forged.backup",
        place,
        tmp_path,
        r"media/\.\./precious in .* is not named by its content",
    )
    assert precious.read_bytes() == b"somebody's"


def test_a_backup_of_a_newer_schema_is_refused(small_backup: Path, place: Place, tmp_path: Path) -> None:
    def change(manifest: Manifest, _members: Members) -> None:
        manifest["schema_revision"] = "9999"

    path = forge(small_backup, tmp_path / "newer.backup", change)
    with pytest.raises(BackupError, match="made by a newer mparchive; install that"):
        bring_back(path, place, tmp_path)
    assert is_empty(place)


def test_captures_of_every_month_come_back_and_the_next_one_has_another_number(
    place: Place, second_place: Place, tmp_path: Path
) -> None:
    """Also of a month in which only a clock that was wrong put captures; the present one has fewer."""
    with place[0].begin() as connection:
        add_capture_months(connection, [197003])
    with transaction(place[0]) as session:
        ids = store_captures(session, None, [(None, capture(body)) for body in (b"1", b"2", b"3")])
        store = text(
            "INSERT INTO captures (id, requested_url, final_url, status, headers, body_size, sha256,"
            " fetched_at, rendered) SELECT 197003000000009, requested_url, final_url, status, headers,"
            " body_size, sha256, fetched_at, rendered FROM captures WHERE id = :id"
        )
        session.execute(store, {"id": ids[0]})
        append_captures(session, [197003000000009])
    write_backup(*place, tmp_path / "a.backup")
    bring_back(tmp_path / "a.backup", second_place, tmp_path)
    assert rows(second_place[0]) == rows(place[0])
    with transaction(second_place[0]) as session:
        (id_,) = store_captures(session, None, [(None, capture(b"4"))])
    assert id_ % SERIALS == 10


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


def no_heads(manifest: Manifest, _members: Members) -> None:
    manifest["heads"] = []


def no_month(manifest: Manifest, _members: Members) -> None:
    manifest["capture_months"] = [202613]


def many_months(manifest: Manifest, _members: Members) -> None:
    manifest["capture_months"] = [202601] * 2000


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
        (other_heads, "the hash chains of the backup end"),
        (no_heads, "the hash chains of the backup end"),
        (no_month, "no partition can be made for a month of captures in the backup"),
        (many_months, "manifest.json .* is missing or damaged"),
        (unknown_revision, "there never was a schema of revision 0000"),
    ],
)
def test_a_forged_backup_is_refused_whole(
    small_backup: Path, place: Place, tmp_path: Path, change: Change, match: str
) -> None:
    refused(forge(small_backup, tmp_path / "forged.backup", change), place, tmp_path, match)


def test_what_readers_noted_comes_back(second_place: Place, place: Place, tmp_path: Path) -> None:
    with transaction(place[0]) as session:
        import_records(session, None, [record()], "dump", NOW)
        post_id = session.scalars(select(Post.id)).one()
        notes.put_note(session, post_id, Note(True, ("政策", "重要"), "记"), NOW)
        notes.save_search(session, "我的搜索", {"q": "合成"}, NOW)
    write_backup(*place, tmp_path / "noted.backup")
    bring_back(tmp_path / "noted.backup", second_place, tmp_path)
    with transaction(second_place[0]) as session:
        assert [one.note for one in notes.noted_posts(session)] == [Note(True, ("政策", "重要"), "记", NOW)]
        assert [one.query for one in notes.saved_searches(session)] == [{"q": "合成"}]
