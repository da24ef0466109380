"""Where the archive is: one server address, or a folder for the embedded one."""

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ArchiveSettings(BaseSettings):
    """Read from MPARCHIVE_DATABASE_URL, MPARCHIVE_HOME, MPARCHIVE_MEDIA; an empty variable counts as unset.

    Without an address an embedded Postgres runs in `<home>/postgres`. `media` is a folder, or an address
    that fsspec knows (s3://bucket/prefix); without it the files lie in `<home>/media`.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    database_url: str | None = Field(default=None, repr=False)  # it may hold a password
    home: Path = Field(default_factory=lambda: user_data_path("mparchive"))
    media: str | None = Field(default=None, repr=False)  # it may hold a password
