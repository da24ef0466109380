"""The manifest of a backup: what the archive held, and the size and SHA-256 of every member."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from archive.integrity.chain import Head

FORMAT = 2  # of the backups this program writes; it also reads format 1
MEDIA = "media/"
TABLES = "tables/"

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Member(_Frozen):
    """One member of the zip; `size` in bytes before compression."""

    name: str
    size: Count
    sha256: Sha256


class Table(_Frozen):
    """One table: its columns in the order they were copied, and how many rows it has."""

    name: str
    columns: tuple[str, ...]
    rows: Count


class TableFile(Table):
    """One table with the size and SHA-256 of its rows, as COPY wrote them."""

    size: Count
    sha256: Sha256

    @property
    def member(self) -> Member:
        """The member that holds the rows."""
        return Member(name=f"{TABLES}{self.name}.copy", size=self.size, sha256=self.sha256)


class MediaFile(_Frozen):
    """One file of the media folder; `path` is its place within the folder."""

    path: str
    size: Count
    sha256: Sha256

    @property
    def member(self) -> Member:
        """The member that holds the file."""
        return Member(name=f"{MEDIA}{self.path}", size=self.size, sha256=self.sha256)


class _Common(_Frozen):
    program: str
    schema_revision: Annotated[str, Field(pattern="^[0-9]{4}$")]
    server: int
    made_at: AwareDatetime
    heads: tuple[Head, ...]
    lacking: tuple[str, ...]


class Manifest(_Common):
    """The manifest of format 2. `made_at` is UTC; `server` is the major version of PostgreSQL.

    `lacking` has a sentence for each media file that could not be read when the backup was made.
    """

    format: Literal[2] = 2
    tables: tuple[TableFile, ...]
    media: tuple[MediaFile, ...]

    @property
    def members(self) -> tuple[Member, ...]:
        """The members of the zip in their order, without its first and the manifest."""
        return (*(table.member for table in self.tables), *(file.member for file in self.media))


class ManifestV1(_Common):
    """The manifest of format 1, which earlier versions wrote.

    `database` says how the tables were written, `tool` by which version of pg_dump.
    """

    format: Literal[1] = 1
    database: Literal["pg_dump", "copy"]
    tool: int
    tables: tuple[Table, ...]
    members: tuple[Member, ...]

    @property
    def media(self) -> tuple[MediaFile, ...]:
        """The files of the media folder."""
        return tuple(
            MediaFile(path=member.name.removeprefix(MEDIA), size=member.size, sha256=member.sha256)
            for member in self.members
            if member.name.startswith(MEDIA)
        )


AnyManifest = Manifest | ManifestV1


def rows_of(manifest: AnyManifest) -> dict[str, int]:
    """Return how many rows each table has."""
    return {table.name: table.rows for table in manifest.tables}
