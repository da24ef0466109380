"""Archives that tests back up and restore into, and what is compared of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from archive.backup.backup_file import BackupDamaged, opened
from archive.backup.postgres import first_row, tables_in
from archive.backup.restore import Destination, Verify, restore
from archive.storage.media_files import MediaFolder

Place = tuple[Engine, MediaFolder]


def accept(_connection: Connection) -> None:
    """Accept whatever was restored."""


def bring_back(path: Path, place: Place, room: Path, verify: Verify = accept) -> None:
    """Check a backup and restore it, as the command does."""
    with opened(path) as backup:
        backup.check()
        restore(Destination(*place, room), backup, verify)


def rows(engine: Engine, columns: Mapping[str, Sequence[str]] | None = None) -> dict[str, list[str]]:
    """Return every row of every table as text, with its seal; with `columns` only these, by table."""
    with engine.connect() as connection:
        chosen = columns or {table.name: ["t"] for table in tables_in(connection)}
        return {
            name: list(connection.execute(text(_query(name, of_table))).scalars())
            for name, of_table in chosen.items()
        }


def _query(table: str, columns: Sequence[str]) -> str:
    shown = "t" if columns == ["t"] else f"ROW({', '.join(f't.{column}' for column in columns)})"
    return f"SELECT ({shown})::text FROM {table} t ORDER BY 1"


def is_empty(place: Place) -> bool:
    """Tell whether there is neither a row nor a media file."""
    with place[0].connect() as connection:
        return first_row(connection, tables_in(connection)) is None and not list(place[1].paths())


def refused(path: Path, place: Place, room: Path, match: str) -> None:
    """Assert that a backup is found to be damaged, and leaves the archive empty."""
    with pytest.raises(BackupDamaged, match=match):
        bring_back(path, place, room)
    assert is_empty(place)
