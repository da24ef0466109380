"""Test the checks of bodies and media files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks.files import check_bodies, check_media
from tests.archive.integrity.checks.mutations import BENEATH, Mutation, findings_of, ids, rolled_back_session


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


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_to_a_file_is_found_and_its_row_is_named(
    filled: Connection, context: CheckContext, folder: Path, damage: str
) -> None:
    with rolled_back_session(filled) as session:
        for id_ in ids(filled, "files"):
            path = session.scalar(text("SELECT path FROM files WHERE id = :id"), {"id": id_})
            file = folder / path
            content = file.read_bytes()
            DAMAGES[damage](file)
            mutation = Mutation((), (f"files {id_}",))
            found = {finding.subject for finding in findings_of(session, context, mutation)}
            assert found == {f"files {id_}"}
            if file.is_dir():
                file.rmdir()
            file.write_bytes(content)


def test_a_file_that_no_row_is_about_is_counted_and_is_no_finding(
    filled: Connection, context: CheckContext, folder: Path
) -> None:
    (folder / "ab").mkdir(exist_ok=True)
    stray = folder / "ab" / "stray.png"
    stray.write_bytes(b"x")
    with rolled_back_session(filled) as session:
        result = check_media(RowRange(session, context))
    stray.unlink()
    assert result.findings == []
    assert result.notes == {"archive.integrity.note_unknown_files": 1}


def test_a_body_of_another_size_than_recorded_is_found(filled: Connection, context: CheckContext) -> None:
    with rolled_back_session(filled) as session:
        (id_,) = ids(filled, "captures", most=1)
        session.execute(text(BENEATH))
        session.execute(text("UPDATE captures SET body_size = body_size + 1 WHERE id = :id"), {"id": id_})
        result = check_bodies(RowRange(session, context, id_ - 1, id_))
    assert [one.message.code for one in result.findings] == ["archive.integrity.body_size_differs"]
