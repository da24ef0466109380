"""Digests as WARC records write them: `sha1:` and a hash in base32, some writers in hexadecimal."""

import hashlib
from base64 import b32encode

_KNOWN = {"sha1": "sha1", "sha-1": "sha1", "sha256": "sha256", "sha-256": "sha256", "md5": "md5"}


def is_proven(content: bytes, digest: str) -> bool | None:
    """Whether a digest is the content's; None where there is none, or none of a known form."""
    algorithm, _, value = digest.partition(":")
    known = _KNOWN.get(algorithm.strip().lower())
    if not known or not value:
        return None
    found = hashlib.new(known, content, usedforsecurity=False).digest()
    forms = (found.hex(), b32encode(found).decode().rstrip("=").lower())
    told = value.strip().rstrip("=").lower()
    return told in forms if len(told) in map(len, forms) else None
