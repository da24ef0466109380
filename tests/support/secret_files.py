"""Files of credentials, as an operator keeps them."""

from pathlib import Path


def put_secret(path: Path, content: str) -> None:
    """Write a file that only its owner may read."""
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
