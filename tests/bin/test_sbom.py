"""The bill of materials lists what the lock file pins, is valid, and does not change by itself."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from tests.bin.command import ROOT, lock_file, script

FILE = ROOT / "mparchive" / "sbom.cdx.json"
BILL = json.loads(FILE.read_text(encoding="utf-8"))
PINS = set(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", (ROOT / "requirements.txt").read_text("utf-8"), re.M))
MOST_BYTES = 120_000


def edges(bill: dict[str, Any]) -> dict[str, set[str]]:
    """Return which packages each package needs."""
    return {row["ref"]: set(row.get("dependsOn", [])) for row in bill["dependencies"]}


def test_it_lists_exactly_the_pins_of_the_lock_file() -> None:
    urls = [PackageURL.from_string(part["purl"]) for part in BILL["components"]]
    assert len(urls) == len(PINS)
    assert {(url.name, url.version) for url in urls} == PINS
    assert {url.type for url in urls} == {"pypi"}
    assert script("sbom.py", "--check").returncode == 0


def test_it_is_valid_by_the_strict_schema_and_small() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(FILE.read_text("utf-8")) is None
    assert FILE.stat().st_size < MOST_BYTES


def test_it_names_no_time_no_registry_and_no_hash() -> None:
    text = FILE.read_text("utf-8")
    assert "timestamp" not in BILL["metadata"]
    assert not re.search(r"https?://(?!cyclonedx\.org/schema/)|sha256|index-url", text)


def test_every_package_is_needed_by_another_and_has_a_licence() -> None:
    known = edges(BILL)
    root = BILL["metadata"]["component"]["bom-ref"]
    reached, left = {root}, [root]
    while left:
        new = known[left.pop()] - reached
        reached |= new
        left += new
    assert reached == {root, *(part["bom-ref"] for part in BILL["components"])}
    assert [part["name"] for part in BILL["components"] if not part.get("licenses")] == []


def test_packages_that_only_build_are_marked() -> None:
    scopes = {part["name"]: part["scope"] for part in BILL["components"]}
    assert (scopes["setuptools"], scopes["scrapy"]) == ("excluded", "required")


@pytest.mark.slow
def test_the_same_lock_file_gives_the_same_bytes(tmp_path: Path) -> None:
    written = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in written:
        assert script("sbom.py", "--file", path).returncode == 0
    assert written[0].read_bytes() == written[1].read_bytes()


def test_the_graph_is_that_of_the_lock_file(tmp_path: Path) -> None:
    lock = lock_file(tmp_path / "lock.txt", "invented-a==1.0", "invented-b==2.0 via invented-a invented-c",
                     "invented-c==3.0 via invented-a")  # fmt: skip
    written = tmp_path / "sbom.json"
    assert script("sbom.py", "--lock", lock, "--file", written).returncode == 0
    bill = json.loads(written.read_text("utf-8"))
    a, b, c = "pkg:pypi/invented-a@1.0", "pkg:pypi/invented-b@2.0", "pkg:pypi/invented-c@3.0"
    assert edges(bill) == {bill["metadata"]["component"]["bom-ref"]: {a}, a: {b, c}, b: set(), c: {b}}


@pytest.mark.slow
@pytest.mark.parametrize("pin", ["invented==1.0", "invented==1.1"])
def test_the_check_names_what_differs(tmp_path: Path, pin: str) -> None:
    written = tmp_path / "sbom.json"
    first = lock_file(tmp_path / "lock.txt", "invented==1.0", "other==1")
    assert script("sbom.py", "--lock", first, "--file", written).returncode == 0
    second = lock_file(tmp_path / "second.txt", pin, "other==1")
    done = script("sbom.py", "--check", "--lock", second, "--file", written)
    assert done.returncode == (pin != "invented==1.0")
    if done.returncode:
        assert "pkg:pypi/invented@1.0, pkg:pypi/invented@1.1" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"components": [{}]}', "\0"])
def test_a_file_that_is_no_bill_of_materials_is_named(tmp_path: Path, content: str | None) -> None:
    broken = tmp_path / "sbom.json"
    if content is not None:
        broken.write_text(content, encoding="utf-8")
    done = script("sbom.py", "--check", "--file", broken)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and str(broken) in done.stderr


@pytest.mark.parametrize("content", [None, "", "# nothing\n", "\udcff"])
def test_a_lock_file_without_pins_is_named(tmp_path: Path, content: str | None) -> None:
    lock = tmp_path / "lock.txt"
    if content is not None:
        lock.write_bytes(content.encode(errors="surrogateescape"))
    done = script("sbom.py", "--check", "--lock", lock)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and str(lock) in done.stderr
