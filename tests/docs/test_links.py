"""Tests that links, and paths named in documents and code, lead to files of the repository."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCUMENTS, READMES, ROOT, anchors, name_of, prose, spans, text_of

FOLDERS = ("archive", "bench", "bin", "cassettes", "crawler", "mparchive", "scheduler", "tests", "web")
_DOCUMENT = re.compile(r"\bdocs/[\w./-]+\.(?:md|json|toml)\b")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_to_a_file_and_heading(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(text_of(document)))
    inside = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if not leads(document, link)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_documents_named_in_a_document_exist(document: Path) -> None:
    assert missing(_DOCUMENT.findall(text_of(document))) == []


def test_documents_named_in_code_exist() -> None:
    files = [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name not in ("docs", "versions")  # migrations keep the comments of their release
    ]
    files += [ROOT / name for name in ("Dockerfile", "Makefile", "docker-compose.yml", "pyproject.toml")]
    named = {f"{path.name}: {name}" for path in files for name in missing(_DOCUMENT.findall(text_of(path)))}
    assert named == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_modules_and_folders_named_in_a_document_exist(document: Path) -> None:
    path = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*(?:\.py|/)")
    assert missing([span for span in spans(text_of(document)) if path.fullmatch(span)]) == []


def test_a_broken_link_is_noticed() -> None:
    readme = READMES[0]
    assert leads(readme, "docs/how-to/operate.md#the-log")
    assert not leads(readme, "docs/how-to/operate.md#no-such-heading")
    assert not leads(readme, "docs/no-such-document.md")


def missing(names: list[str]) -> list[str]:
    """Return the paths that do not exist in the repository."""
    return [name for name in names if not (ROOT / name).exists()]


def leads(document: Path, link: str) -> bool:
    """Return whether a relative link leads to a file, and its anchor to a heading."""
    place, _, anchor = link.partition("#")
    target = (document.parent / place).resolve() if place else document
    return target.exists() and (not anchor or anchor in anchors(text_of(target)))
