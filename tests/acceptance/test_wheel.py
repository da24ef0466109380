"""A wheel of the program works in an environment without the checkout: nothing is missing from it."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.command import TIMEOUT, Done
from tests.acceptance.dumps import write_dump

ROOT = Path(__file__).resolve().parents[2]
CASSETTE = ROOT / "cassettes" / "week-1.yaml"
ADDRESS = next(
    line for line in (ROOT / "cassettes/week.txt").read_text("utf-8").splitlines() if line.startswith("http")
)
SOURCES = ("archive", "web", "crawler", "scheduler", "mparchive")


@dataclass(frozen=True)
class Installation:
    """An environment into which the wheel was installed."""

    folder: Path

    @property
    def packages(self) -> Path:
        return Path(
            sysconfig.get_path("purelib", vars={"base": str(self.folder), "platbase": str(self.folder)})
        )

    def __call__(self, database_url: str, home: Path, *arguments: object, language: str = "en") -> Done:
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in ("PYTHONPATH", "MPARCHIVE_SHARED")
            },
            "MPARCHIVE_DATABASE_URL": database_url,
            "MPARCHIVE_HOME": str(home),
            "MPARCHIVE_LANG": language,
        }
        command = [self.folder / "bin" / "mparchive", *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, cwd=home, capture_output=True, timeout=TIMEOUT, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Build a wheel from a copy of the sources, and install it beside the packages it depends on.

    Those are the ones of this environment, so that no test needs a package registry.
    """
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copytree(
            ROOT / name, folder / "src" / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "src" / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "src"]
    subprocess.run([*pip, *build], check=True, timeout=TIMEOUT)
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True, timeout=TIMEOUT
    )
    python = folder / "env" / "bin" / "python"
    install = ["--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run([*pip, *install], check=True, timeout=TIMEOUT)
    installation = Installation(folder / "env")
    # A folder added by a .pth file has its packages found, but not its own .pth files read: not the checkout.
    (installation.packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", "utf-8")
    return installation


def test_the_program_runs_from_the_wheel_and_not_from_the_checkout(installed: Installation) -> None:
    code = "import archive, crawler, mparchive, scheduler, web; print(archive.__file__, mparchive.__file__)"
    command = [installed.folder / "bin" / "python", "-c", code]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert all(path.startswith(str(installed.packages)) for path in shown.stdout.split())


def test_a_post_is_archived_exported_and_listed_by_the_installed_command(
    installed: Installation, empty_database_url: str, tmp_path: Path
) -> None:
    done = installed(empty_database_url, tmp_path, "backfill", ADDRESS, "--replay", CASSETTE, "--no-media")
    assert (done.code, done.err) == (0, "1/1 article new 2650001001_1\n")
    exported = installed(empty_database_url, tmp_path, "export", "--format", "html", "--output", "posts")
    assert exported.code == 0 and len(list((tmp_path / "posts").rglob("*.html"))) == 2
    status = installed(empty_database_url, tmp_path, "status", language="zh")
    assert status.code == 0 and "文章" in status.out.decode()


def test_the_bill_of_materials_is_in_the_wheel(installed: Installation) -> None:
    name = "mparchive/sbom.cdx.json"
    assert (installed.packages / name).read_bytes() == (ROOT / name).read_bytes()


def test_a_configuration_is_written_by_the_installed_command(installed: Installation, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 1)
    assert installed("", tmp_path, "init", dump).code == 0
    assert installed("", tmp_path, "config", "check").code == 0
