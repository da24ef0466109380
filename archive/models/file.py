"""files: what was downloaded of media, once per content."""

from datetime import datetime

from sqlalchemy import LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class FileRow(Base):
    """One file in the media folder."""

    __tablename__ = "files"
    __table_args__ = {"comment": "Files in the media folder, once per content"}  # noqa: RUF012

    id: Mapped[Key]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True, comment="of the content, 32 bytes")
    size: Mapped[int] = mapped_column(comment="bytes")
    media_type: Mapped[str] = mapped_column(comment="by content, as image/png")
    width: Mapped[int | None] = mapped_column(comment="pixels, of an image")
    height: Mapped[int | None] = mapped_column(comment="pixels, of an image")
    path: Mapped[str] = mapped_column(comment="within the media folder")
    first_stored_at: Mapped[datetime] = mapped_column(server_default=func.now())
