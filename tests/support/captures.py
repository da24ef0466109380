"""Provide the real captures outside the repository to tests; none where they are absent."""

import csv
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(os.environ.get("MPARCHIVE_SHARED") or Path(__file__).parents[3] / "shared")
CAPTURES = SHARED / "captures"
needs_captures = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason=f"no real captures at {CAPTURES}; set MPARCHIVE_SHARED"
)


def capture_names(*folders: str) -> list[str]:
    """Return `folder/file.html.gz` of every capture in these folders (patterns allowed)."""
    return sorted(
        str(path.relative_to(CAPTURES)) for folder in folders for path in CAPTURES.glob(f"{folder}/*.gz")
    )


def capture(name: str) -> bytes:
    """Return the bytes as served."""
    return gzip.decompress((CAPTURES / name).read_bytes())


def expected_ids() -> dict[str, dict[str, str]]:
    """EXPECTED_IDS.tsv by capture name; titles there are cut and have line ends written as \\n."""
    path = CAPTURES / "EXPECTED_IDS.tsv"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {f"{row['file']}.gz": row for row in rows}


def expected_texts() -> dict[str, str]:
    """EXPECTED_FINAL_CONTENT.json by capture name."""
    path = CAPTURES / "EXPECTED_FINAL_CONTENT.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def evaluated_states() -> dict[str, dict[str, Any]]:
    """Return what the pages' own scripts evaluate to, by capture name."""
    found = {}
    for path in sorted(CAPTURES.glob("derived_cgidata/*.json.gz")):
        page = path.name.replace("-parse", "").replace(".json.gz", ".html.gz")
        (name,) = (str(p.relative_to(CAPTURES)) for p in CAPTURES.glob(f"article_*/{page}"))
        found[name] = json.loads(gzip.decompress(path.read_bytes()))
    return found
