"""A stable hash of what a reader of a post sees: same hash, same version."""

import hashlib

HASH_VERSION = 1  # first byte of every hash, so that a new rule is never mistaken for an edit


def content_hash(title: str, text: str) -> bytes:
    """33 bytes: the rule's version, then SHA-256 over title and text, each with its length before it."""
    digest = hashlib.sha256()
    for field in (title, text):
        encoded = field.encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return bytes([HASH_VERSION]) + digest.digest()
