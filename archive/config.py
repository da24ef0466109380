"""Where the archive is: a database address, or a folder for the embedded one."""

from pathlib import Path

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ArchiveSettings(BaseSettings):
    """Read from MPARCHIVE_DATABASE_URL and MPARCHIVE_HOME; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, extra="ignore")

    database_url: str | None = Field(default=None, repr=False)  # may hold a password
    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("mparchive"))
