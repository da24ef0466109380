"""Read heads that were saved or published, and compare the archive with them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from string import hexdigits
from typing import Any
from xml.etree import ElementTree

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Chain, ChainEntry
from archive.domain.errors import ArchiveError
from archive.domain.messages import Message
from archive.integrity.check import Finding
from archive.repository.hash_chain import ChainHead
from archive.repository.heads import chains_at, find_head, heads_digest

ATOM_HEAD = "{urn:mparchive:heads}head"

ATOM_CHAIN = "{urn:mparchive:heads}chain"

_CHAINS = TypeAdapter(list[ChainHead])

_UNREADABLE = (
    ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError, ElementTree.ParseError,
)  # fmt: skip

_DIGEST_LENGTH = 64  # hexadecimal digits of a SHA-256


class NoHeads(ArchiveError):
    """A file holds no heads."""


@dataclass(frozen=True, slots=True)
class SavedHeads:
    """Heads saved earlier: those of chains, and the digest of the whole archive's where it was saved."""

    chains: tuple[ChainHead, ...]
    digest: str | None = None


def parse_heads(content: bytes) -> SavedHeads:
    """Read heads from a file of heads, the output of `verify --json`, an API answer, or a feed.

    Raises NoHeads for anything else.
    """
    try:
        is_xml = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        return _from_feed(content) if is_xml else _from_json(json.loads(content))
    except _UNREADABLE:
        raise NoHeads("archive.integrity.no_heads") from None


def _from_json(value: Any) -> SavedHeads:
    if isinstance(value, list):
        return SavedHeads(tuple(_CHAINS.validate_python(value)))
    value = value.get("_mparchive", value)
    return SavedHeads(tuple(_CHAINS.validate_python(value["heads"])), _digest(value.get("digest")))


def _from_feed(content: bytes) -> SavedHeads:
    if b"<!DOCTYPE" in content:  # a feed has none; entities of one could grow without end
        raise ValueError("a document type")
    root = ElementTree.fromstring(content)  # noqa: S314 - without a document type
    head = root.find(ATOM_HEAD)
    head = root.find(f"channel/{ATOM_HEAD}") if head is None else head
    if head is None:
        raise KeyError(ATOM_HEAD)
    chains = [dict(chain.attrib) for chain in head.findall(ATOM_CHAIN)]
    return SavedHeads(tuple(_CHAINS.validate_python(chains)), _digest(head.attrib["digest"]))


def parse_digest(text: str) -> SavedHeads | None:
    """Return the head that a digest names; None for anything but a SHA-256 in hexadecimal."""
    is_digest = len(text) == _DIGEST_LENGTH and all(character in hexdigits for character in text)
    return SavedHeads((), text.lower()) if is_digest else None


def _digest(value: Any) -> str | None:
    if value is not None and (len(bytes.fromhex(value)) * 2 != _DIGEST_LENGTH):
        raise ValueError("no SHA-256")
    return value if value is None else str(value).lower()


def compare_with_heads(session: Session, saved: SavedHeads) -> list[Finding]:
    """Return a finding for each head saved earlier that the archive does not pass through."""
    findings = [finding for head in saved.chains if (finding := _compare_with_head(session, head))]
    return findings + list(_compare_with_digest(session, saved.digest) if saved.digest else ())


def _compare_with_digest(session: Session, digest: str) -> Iterator[Finding]:
    """Compare the head of the whole archive: it was recorded, and all chains still pass through it."""
    head_id = find_head(session, bytes.fromhex(digest))
    if head_id is None:
        yield Finding("head", "heads", None, Message("archive.integrity.head_unknown", {"digest": digest}))
    elif heads_digest(chains_at(session, head_id)).hex() != digest:
        yield Finding("head", "heads", head_id, Message("archive.integrity.head_differs"))


def _compare_with_head(session: Session, head: ChainHead) -> Finding | None:
    chain = session.execute(select(Chain.id, Chain.length).where(Chain.biz == head.biz)).one_or_none()
    chain_id, length = chain or (None, 0)
    entry = select(ChainEntry.digest).where(
        ChainEntry.chain_id == chain_id, ChainEntry.position == head.length
    )
    digest = session.scalar(entry)
    if head.length == 0 or (digest is not None and digest.hex() == head.digest):
        return None
    chain_name = Message("archive.integrity.chain_of", {"biz": head.biz})
    if not head.biz:
        chain_name = Message("archive.integrity.chain_of_no_account")
    if length < head.length:
        params = {"chain": chain_name, "entries": length, "expected": head.length}
        message = Message("archive.integrity.chain_shorter_than_head", params)
    else:
        params = {"chain": chain_name, "position": head.length}
        message = Message("archive.integrity.chain_avoids_head", params)
    return Finding("head", "chains", chain_id, message)
