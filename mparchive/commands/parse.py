"""`mparchive parse`: parse one saved page, without database or network."""

from datetime import UTC, datetime
from typing import Any

from archive.domain.captures import CaptureData
from archive.domain.messages import Message
from archive.domain.parsed_page import ParsedPage
from crawler.worker.page_parser import PageParser
from mparchive.console import facts_table, label, localized, out, print_json, shortened
from mparchive.errors import Exit
from mparchive.importers.items import MAX_PAGE, SavedPage
from mparchive.importers.mhtml import is_mhtml, read_mhtml
from mparchive.importers.open import HEAD, open_bytes


def parse_file(path: str, url: str | None, as_json: bool) -> Exit:
    """Print the parse result of a saved page; `-` is stdin. Raises InputError where it cannot be read."""
    page = _page(path, url)
    address = page.url or ""
    with PageParser() as reader:
        reading = reader.parse(CaptureData(address, address, 200, page.headers, page.body, datetime.now(UTC)))
    if as_json:
        print_json(_as_json(reading))
    else:
        out.print(facts_table(_facts(reading)))
    return Exit.DONE


def _page(path: str, url: str | None) -> SavedPage:
    with open_bytes(path) as (name, stream, written_at):
        head = stream.read(HEAD)
        stream.seek(0)
        if is_mhtml(head):
            return read_mhtml(stream, name, written_at, url)
        return SavedPage(name, stream.read(MAX_PAGE + 1), written_at, url)


def _as_json(reading: ParsedPage) -> dict[str, Any]:
    """Return the four keys of `parse --json`."""
    return {
        "outcome": str(reading.outcome),
        "kind": str(reading.kind) if reading.kind else None,
        "post": reading.record.as_dict() if reading.record else None,
        "page": {**reading.page, **({"reason": str(Message.load(reading.reason))} if reading.reason else {})},
    }


def _facts(reading: ParsedPage) -> dict[str, str]:
    """Return the parse result by field name, without empty fields, for a table."""
    kind = label("mparchive.kind.", reading.kind) if reading.kind else ""
    outcome = label("mparchive.outcome.", reading.outcome)
    found = {"outcome": outcome, "kind": kind, "reason": localized(reading.reason)}
    facts = {label("mparchive.field.", name): value for name, value in found.items() if value}
    stored = {**(reading.record.as_dict() if reading.record else {}), **reading.page}
    return facts | {name: shortened(str(value)) for name, value in stored.items()}
