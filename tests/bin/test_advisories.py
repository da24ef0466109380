"""The check of the pins finds what is affected, and the list in the repository affects none of them."""

import tomllib
from datetime import date
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.bin.command import ROOT, lock_file, script

LIST = tomllib.loads((ROOT / "docs" / "reference" / "advisories.toml").read_text(encoding="utf-8"))
ENTRIES = [(package, entry) for package, entries in LIST["advisories"].items() for entry in entries]
NOTHING = (
    "made = 2026-01-02\nreaches = 2026-01-01\nwithout_reaches = 2025-01-01\nwithout = []\n[advisories]\n"
)
ENTRY = '{ ids = ["INVENTED-1"], affected = ">=1.0,<2.0", source = "invented" }'


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "list.toml"
    path.write_text(f"{NOTHING}invented-package = [{ENTRY}]\n", encoding="utf-8")
    return path


def test_no_pin_of_the_repository_is_affected() -> None:
    done = script("advisories.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(str(LIST[name]) in done.stdout for name in ("made", "reaches", "without_reaches"))


@pytest.mark.parametrize("package", LIST["advisories"])
def test_every_entry_is_complete_and_its_range_parses_and_ends(package: str) -> None:
    for entry in LIST["advisories"][package]:
        assert entry["ids"] and entry["source"]
        assert set(entry) <= {"ids", "affected", "source", "harmless", "unused"}
        assert ("unused" in entry) == ("harmless" in entry), "a reason is checked by what is not used"
        affected = SpecifierSet(entry["affected"])
        assert len(affected) and ("harmless" in entry or "999999" not in affected)


def test_no_id_is_listed_twice_for_a_package() -> None:
    ids = [(package, id_) for package, entry in ENTRIES for id_ in entry["ids"]]
    assert len(ids) == len(set(ids))
    assert set(LIST["without"]).isdisjoint(LIST["advisories"])


def test_the_list_says_when_it_was_made() -> None:
    assert isinstance(LIST["made"], date)
    assert LIST["without_reaches"] <= LIST["reaches"] <= LIST["made"]


@pytest.mark.parametrize("version", ["1.0", "1.9.9", "1.5rc1"])
@pytest.mark.parametrize("name", ["invented-package", "Invented_Package", "invented.package"])
def test_an_affected_pin_is_found_however_it_is_spelt(
    tmp_path: Path, listed: Path, name: str, version: str
) -> None:
    done = script("advisories.py", "--list", listed, lock_file(tmp_path / "lock.txt", f"{name}=={version}"))
    assert done.returncode == 1
    assert f"{name} {version} has INVENTED-1" in done.stderr
    assert "2026-01-02" in done.stdout


@pytest.mark.parametrize("pin", ["invented-package==0.9", "invented-package==2.0", "invented==1.5"])
def test_other_versions_and_packages_are_not_affected(tmp_path: Path, listed: Path, pin: str) -> None:
    done = script("advisories.py", "--list", listed, lock_file(tmp_path / "lock.txt", pin))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["requirements-dev.txt", "requirements-build.txt"])
def test_every_lock_file_is_read(tmp_path: Path, listed: Path, name: str) -> None:
    first = lock_file(tmp_path / "lock.txt", "other==1")
    done = script(
        "advisories.py", "--list", listed, first, lock_file(tmp_path / name, "invented-package==1.5")
    )
    assert done.returncode == 1


def test_a_package_for_users_that_was_never_looked_up_is_named(tmp_path: Path, listed: Path) -> None:
    lock = lock_file(tmp_path / "requirements.txt", "unknown==1", "invented-package==3")
    done = script("advisories.py", "--list", listed, lock)
    assert (done.returncode, done.stderr) == (1, "unknown was never looked up: add it to the list\n")
    listed.write_text(listed.read_text("utf-8").replace("without = []", 'without = ["Unknown"]'), "utf-8")
    assert script("advisories.py", "--list", listed, lock).returncode == 0


def test_a_reason_holds_only_while_the_program_does_not_use_what_matters(
    tmp_path: Path, listed: Path
) -> None:
    text = listed.read_text("utf-8").replace(
        " }]", """, unused = '\\bdangerous\\(', harmless = "not called" }]"""
    )
    listed.write_text(text, "utf-8")
    lock, module = lock_file(tmp_path / "lock.txt", "invented-package==1.5"), tmp_path / "web" / "module.py"
    module.parent.mkdir()
    module.write_text("harmless()\n", encoding="utf-8")
    done = script("advisories.py", "--list", listed, "--root", tmp_path, lock)
    assert (done.returncode, done.stderr) == (0, "")
    assert "INVENTED-1 (<2.0,>=1.0): not called" in done.stdout
    module.write_text("dangerous()\n", encoding="utf-8")
    done = script("advisories.py", "--list", listed, "--root", tmp_path, lock)
    assert done.returncode == 1 and "web/module.py" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "made =",
        NOTHING.replace("2026-01-02", '"yesterday"'),
        NOTHING.replace("without = []\n", ""),
        NOTHING + 'x = [{ ids = ["A"], affected = "1.0 or so" }]',
        NOTHING + 'x = [{ affected = "<1" }]',
        NOTHING + "x = 1",
        NOTHING + """x = [{ ids = ["A"], affected = "<1", unused = '(' }]""",
    ],
)  # fmt: skip
def test_a_list_of_another_form_is_named(tmp_path: Path, content: str | None) -> None:
    broken = tmp_path / "list.toml"
    if content is not None:
        broken.write_text(content, encoding="utf-8")
    done = script("advisories.py", "--list", broken, lock_file(tmp_path / "lock.txt", "other==1"))
    assert done.returncode == 2
    assert str(broken) in done.stderr and "Traceback" not in done.stderr
