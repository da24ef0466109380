"""A link of a document to another place of the repository leads there."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCUMENTS, anchors, named, prose, told


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(told(document)))
    inside = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if not leads(document, link)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_documents_that_are_named_are_there(document: Path) -> None:
    mentioned = re.findall(r"\bdocs/[\w./-]+\.(?:md|json|toml)\b", told(document))
    assert [name for name in mentioned if not (DOCUMENTS[0].parent / name).is_file()] == []


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    readme = DOCUMENTS[0]
    assert leads(readme, "docs/how-to/operate.md#the-log")
    assert not leads(readme, "docs/how-to/operate.md#no-such-heading")
    assert not leads(readme, "docs/no-such.md")


def leads(document: Path, link: str) -> bool:
    """Whether a relative link leads to something, and its anchor to a heading."""
    place, _, anchor = link.partition("#")
    target = (document.parent / place).resolve() if place else document
    return target.exists() and (not anchor or anchor in anchors(told(target)))
