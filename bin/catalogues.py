"""Compile the gettext catalogues of all packages, or check that they are compiled: `make catalogues`."""

import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[1]
_UNDATED = datetime(2026, 1, 1, tzinfo=UTC)  # else each compiled file would carry the time of its making


def compiled(source: Path) -> bytes:
    """Return the compiled form of a .po file. Raises PoFileError on a broken one."""
    with source.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    catalogue.creation_date = catalogue.revision_date = _UNDATED
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def main() -> None:
    """Write each .mo whose .po changed; with `--check` only name them, and end with 1 if there are any."""
    stale = []
    for source in sorted(ROOT.glob("*/locale/*/LC_MESSAGES/*.po")):
        target, content = source.with_suffix(".mo"), compiled(source)
        if not target.exists() or target.read_bytes() != content:
            stale.append(str(target.relative_to(ROOT)))
            if "--check" not in sys.argv:
                target.write_bytes(content)
    if stale and "--check" in sys.argv:
        raise SystemExit(f"run `make catalogues`: {', '.join(stale)} differ from their .po files")


if __name__ == "__main__":
    main()
