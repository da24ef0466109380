"""A hash of what a version of a post says."""

import hashlib

from archive.record import Record
from archive.text import storable

VERSION = "1"  # first in every hash, so that a later way of hashing is told from this one


def content_hash(title: str, text: str) -> str:
    """`1:` and the SHA-256 of title and text, lengths included, in hexadecimal."""
    digest = hashlib.sha256()
    for part in (title, text):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return f"{VERSION}:{digest.hexdigest()}"


def hash_of(record: Record) -> str:
    """The hash of a record as it is stored."""
    return content_hash(storable(record.title), storable(record.text))
