"""What a backup says of itself: its members with their hashes, and what the archive held."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from archive.integrity.chain import Head

FORMAT = 1  # of backups; what reads them knows this one


class Member(BaseModel):
    """One file in the backup; `size` in bytes, `sha256` in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    name: str
    size: int
    sha256: str


class Table(BaseModel):
    """One table: its columns in the order they were copied, and how many rows it has."""

    model_config = ConfigDict(frozen=True)

    name: str
    columns: tuple[str, ...]
    rows: int


class Manifest(BaseModel):
    """The whole of it. `made_at` is UTC; `database` says how the tables were written, `tool` by which version
    of PostgreSQL's programs.

    `lacking` are sentences about media files that could not be read when the backup was made.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    program: str
    schema_revision: str
    server: int
    database: Literal["pg_dump", "copy"]
    tool: int
    made_at: datetime
    tables: tuple[Table, ...]
    heads: tuple[Head, ...]
    lacking: tuple[str, ...]
    members: tuple[Member, ...]

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        return {table.name: table.rows for table in self.tables}
