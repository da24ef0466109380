from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.command import NOWHERE, Command


@pytest.fixture
def mparchive(fresh_database_url: str, tmp_path: Path) -> Command:
    """Return the command with an empty archive and no server."""
    return Command(fresh_database_url, tmp_path)


@pytest.fixture
def mparchive_at(fresh_database_url: str, tmp_path: Path) -> Callable[[str], Command]:
    """Return the command with an empty archive, for a server at this origin."""
    return lambda origin=NOWHERE: Command(fresh_database_url, tmp_path, origin)
