"""Whatever becomes of a row or a file is found, and the row is named."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from archive.db.settings import ArchiveSettings
from archive.integrity.check import CheckContext, Finding, RowRange
from archive.integrity.checks import CHECKS
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import fill, means_at
from tests.archive.integrity.mutations import FAMILIES, Mutation, ids

WANTED = 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def means(folder: Path) -> CheckContext:
    return means_at(MediaFolder(ArchiveSettings(media=str(folder))))


@pytest.fixture(scope="module")
def filled(shared_engine: Engine, means: CheckContext) -> Iterator[Connection]:
    """The small archive, gone when the module is."""
    with shared_engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            fill(session, means)
            session.commit()
        yield connection
        outer.rollback()


@contextmanager
def looked_at(connection: Connection) -> Iterator[Session]:
    """A session of which nothing stays."""
    savepoint = connection.begin_nested()
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        yield session
    savepoint.rollback()


def findings(session: Session, means: CheckContext, mutation: Mutation) -> list[Finding]:
    """What the checks say that must find it; those that look at each row alone, only of its own."""
    table, id_ = mutation.table, int(mutation.names.partition(" ")[2])
    found: list[Finding] = []
    for check in (check for check in CHECKS if check.name in mutation.checks):
        if check.name == "text" and table == "posts":
            page = session.scalar(text("SELECT capture_id FROM posts WHERE id = :id"), {"id": id_})
            found += check.look(RowRange(session, means, page - 1, page)).findings
        elif check.name in ("seals", "bytes", "text", "media"):
            own = check.table == table
            found += check.look(RowRange(session, means, id_ - 1, id_)).findings if own else []
        else:
            found += check.look(RowRange(session, means)).findings
    return found


def is_found(connection: Connection, means: CheckContext, mutation: Mutation) -> bool:
    with looked_at(connection) as session:
        for statement in mutation.statements:
            session.connection().exec_driver_sql(statement)
        named = re.compile(rf"\b{mutation.names}\b")
        return any(named.search(str(finding)) for finding in findings(session, means, mutation))


def test_what_nobody_touched_is_sound(filled: Connection, means: CheckContext) -> None:
    with looked_at(filled) as session:
        looks = [check.look(RowRange(session, means)) for check in CHECKS]
    assert [finding for found in looks for finding in found.findings] == []
    assert min(found.rows for found in looks) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_what_becomes_of_a_row_is_found_and_the_row_is_named(
    filled: Connection, means: CheckContext, family: str
) -> None:
    mutations = list(FAMILIES[family](filled))
    assert [mutation for mutation in mutations if not is_found(filled, means, mutation)] == []


def test_what_is_tried_are_more_than_five_hundred(filled: Connection) -> None:
    tried = {name: len(list(family(filled))) for name, family in FAMILIES.items()}
    assert sum(tried.values()) >= WANTED, tried


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": _flip,
    "half a file": lambda file: file.write_bytes(file.read_bytes()[:10]),
    "an empty file": lambda file: file.write_bytes(b""),
    "no file": Path.unlink,
    "another file": lambda file: file.write_bytes(b"another"),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_becomes_of_a_file_is_found_and_its_row_is_named(
    filled: Connection, means: CheckContext, folder: Path, damage: str
) -> None:
    with looked_at(filled) as session:
        for id_ in ids(filled, "files"):
            path = session.scalar(text("SELECT path FROM files WHERE id = :id"), {"id": id_})
            file = folder / path
            content = file.read_bytes()
            DAMAGES[damage](file)
            mutation = Mutation((), ("media",), f"files {id_}")
            assert [finding.subject for finding in findings(session, means, mutation)] == [f"files {id_}"]
            if file.is_dir():
                file.rmdir()
            file.write_bytes(content)
