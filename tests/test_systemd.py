"""Tests of the systemd units in deploy/systemd, with systemd's own tools where they are installed."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mparchive.errors import Exit

UNITS = Path(__file__).parent.parent / "deploy" / "systemd"
ANALYZE = shutil.which("systemd-analyze")
HIGHEST_EXPOSURE = 45  # of 100; Chromium's sandbox and the network account for the most of it


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((UNITS / name).read_text(encoding="utf-8"))
    return parser


@pytest.fixture
def installed(tmp_path: Path) -> list[Path]:
    """Return copies of the units that start the command of this checkout."""
    command = Path(sys.executable).with_name("mparchive")
    copies = []
    for source in sorted(UNITS.iterdir()):
        copies.append(tmp_path / source.name)
        text = source.read_text(encoding="utf-8").replace("/opt/mparchive/bin/mparchive", str(command))
        copies[-1].write_text(text, encoding="utf-8")
    return copies


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_finds_no_mistake_in_the_units(installed: list[Path]) -> None:
    assert ANALYZE is not None
    done = subprocess.run([ANALYZE, "verify", *installed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_the_daemon_is_exposed_to_little(installed: list[Path]) -> None:
    assert ANALYZE is not None
    (service,) = [path for path in installed if path.name == "mparchive.service"]
    command = [ANALYZE, "security", "--offline=yes", f"--threshold={HIGHEST_EXPOSURE}", "--no-pager", service]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_configuration_error_does_not_start_it_again() -> None:
    service = unit("mparchive.service")["Service"]
    assert service["RestartPreventExitStatus"] == str(int(Exit.USAGE))
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 60


def test_the_documents_install_every_unit() -> None:
    text = (UNITS.parent.parent / "docs" / "how-to" / "systemd.md").read_text(encoding="utf-8")
    assert set(re.findall(r"mparchive[a-z-]*\.(?:service|timer)", text)) >= {
        one.name for one in UNITS.iterdir()
    }
