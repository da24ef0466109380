"""Provide the engine and the media folder of an archive with one of everything."""

import pytest
from sqlalchemy import Engine

from archive.storage.media_files import MediaFolder


@pytest.fixture(scope="session")
def filled(original: tuple[Engine, MediaFolder]) -> Engine:
    """Return the engine; no test changes the archive."""
    return original[0]


@pytest.fixture(scope="session")
def folder(original: tuple[Engine, MediaFolder]) -> MediaFolder:
    """Return the media folder."""
    return original[1]
