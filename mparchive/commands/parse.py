"""`mparchive parse`: what one saved page is and says; neither database nor network."""

from datetime import UTC, datetime
from typing import Any

from archive.domain.captures import Capture
from archive.domain.parsed_page import ParsedPage
from crawler.worker.page_reader import PageReader
from mparchive.console import facts_table, out, print_json, shortened
from mparchive.errors import CommandError, Exit
from mparchive.importers.items import MAX_PAGE, InputError
from mparchive.importers.open import open_bytes


def parse(path: str, url: str | None, as_json: bool) -> Exit:
    """Print what a saved page is and says; `-` is stdin."""
    address = url or ""
    with PageReader() as reader:
        reading = reader.read(Capture(address, address, 200, (), _page(path), datetime.now(UTC)))
    if as_json:
        print_json(_as_json(reading))
    else:
        out.print(facts_table(_facts(reading)))
    return Exit.DONE


def _page(path: str) -> bytes:
    try:
        with open_bytes(path) as (_, stream, _):
            return stream.read(MAX_PAGE + 1)
    except InputError as error:
        raise CommandError(str(error)) from None


def _as_json(reading: ParsedPage) -> dict[str, Any]:
    """The four keys of `parse --json`."""
    return {
        "outcome": str(reading.outcome),
        "kind": str(reading.kind) if reading.kind else None,
        "post": reading.record.as_dict() if reading.record else None,
        "page": {**reading.page, **({"reason": reading.reason} if reading.reason else {})},
    }


def _facts(reading: ParsedPage) -> dict[str, str]:
    facts = {"outcome": str(reading.outcome), "kind": str(reading.kind or ""), "reason": reading.reason}
    facts = {name: value for name, value in facts.items() if value}
    facts |= {
        name: shortened(value) for name, value in (reading.record.as_dict() if reading.record else {}).items()
    }
    return facts | {name: shortened(str(value)) for name, value in reading.page.items()}
