"""What `mparchive export --format warc` tells of a capture beside its bytes (docs/warc.md)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archive.export.warc_records import CAPTURE_FIELD

MAX_URL = 8192  # characters; a saved page's file may have a long name, an address of a post has under 2048


class Told(BaseModel):
    """A capture as the archive that wrote the file had it; `sha256` in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    requested_url: str = Field(max_length=MAX_URL)
    final_url: str = Field(max_length=MAX_URL)
    status: int = Field(ge=0, le=999)
    headers: tuple[tuple[str, str], ...]
    sha256: str
    rendered: bool
    evaluated: dict[str, Any] | None
    expected_biz: str


def told_in(block: bytes) -> Told | None:
    """What a metadata record's block tells; None where it is not ours, or not what it should be."""
    mark = f"{CAPTURE_FIELD}: ".encode()
    for line in block.splitlines():
        if line.startswith(mark):
            try:
                return Told.model_validate_json(line.removeprefix(mark))
            except ValidationError:
                return None
    return None
