"""Hold the catalogues to the program: every code has words in both languages, and nothing is left over."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("archive", "crawler", "mparchive", "scheduler", "web")
CODE = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.[a-z0-9_]+)+")
TEMPLATE_CODE = re.compile(rf"""["']({CODE.pattern})["']""")


def catalogue(package: str, language: str) -> Catalog:
    path = ROOT / package / "locale" / language / "LC_MESSAGES" / f"{package}.po"
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def entries(package: str, language: str) -> dict[str, list[str]]:
    """Return the texts of each code: one, or one per plural form."""
    return {
        (message.id[0] if isinstance(message.id, tuple) else message.id): (
            list(message.string) if isinstance(message.string, tuple) else [message.string]
        )
        for message in catalogue(package, language)
        if message.id
    }


def modules() -> set[str]:
    """Return the dotted names of packages and modules, which look like codes and are none."""
    files = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.with_suffix("").parts) for path in files} | {
        ".".join(path.parent.parts) for path in files
    }


def used_codes() -> set[str]:
    """Return every string of the program and its templates that has the form of a code."""
    found: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= {node.value} if CODE.fullmatch(node.value) else set()
        for path in (ROOT / package).rglob("*.html"):
            found |= set(TEMPLATE_CODE.findall(path.read_text(encoding="utf-8")))
    return found - modules() - {"mparchive.toml", "mparchive.client"}


def prefixes() -> tuple[str, ...]:
    """Return the codes that end in a dot in the source: `f"web.kind.{kind}"` uses all codes below."""
    found = set()
    for package in PACKAGES:
        for path in [*(ROOT / package).rglob("*.py"), *(ROOT / package).rglob("*.html")]:
            pattern = rf"""["']({CODE.pattern}\.)(?:\{{|["'])"""
            found |= set(re.findall(pattern, path.read_text(encoding="utf-8")))
    return tuple(found)


def test_every_code_of_the_program_has_an_entry() -> None:
    known = {code for package in PACKAGES for code in entries(package, "en")}
    assert sorted(used_codes() - known) == []


def test_every_entry_is_used() -> None:
    used, start = used_codes(), prefixes()
    used |= {f"{code}.remedy" for code in used}  # said with a problem of that code
    known = {code for package in PACKAGES for code in entries(package, "en")}
    assert sorted(code for code in known - used if not code.startswith(start or ("\0",))) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_both_languages_say_the_same_things(package: str) -> None:
    english, chinese = entries(package, "en"), entries(package, "zh")
    assert sorted(set(english) ^ set(chinese)) == []
    for code, texts in english.items():
        assert all(texts), f"{code} has no English words"
        assert all(chinese[code]), f"{code} has no Chinese words"
        fields = {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}
        for text in chinese[code]:
            assert {name for _, name, _, _ in Formatter().parse(text) if name} == fields, code


def test_the_compiled_catalogues_are_those_of_the_sources() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bin" / "catalogues.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
