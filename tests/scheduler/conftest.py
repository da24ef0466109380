import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from scheduler.config import Config, load_config
from tests.standin.account import COMMISSION

ACCOUNT = f'[[accounts]]\nbiz = "{COMMISSION.biz}"\nname = "{COMMISSION.nickname}"\n'


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Config]:
    """Return a function that loads a configuration of the invented account with more lines."""

    def configure(more: str = "") -> Config:
        path = tmp_path / "mparchive.toml"
        path.write_text(ACCOUNT + more, encoding="utf-8")
        return load_config(path)

    return configure


@pytest.fixture
def environment(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set and return the variables with which child processes use this test's archive and no network."""
    given = {
        "MPARCHIVE_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "MPARCHIVE_HOME": str(tmp_path),
        "MPARCHIVE_LOOPBACK": "http://127.0.0.1:9",
        "MPARCHIVE_DOWNLOAD_DELAY": "0",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **given}
