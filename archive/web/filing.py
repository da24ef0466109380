"""From what was sent to sightings in the archive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urldefrag

from sqlalchemy import Engine, text

from archive.address import Address, parse_address, without_session
from archive.database import transaction
from archive.errors import AddressError
from archive.post_addresses import embedded, in_text, others_in_text, without_addresses
from archive.sighting import Sighted, Sighting
from archive.store import make_due, record_sightings
from archive.web.refusal import MAX_ADDRESSES, no_address, too_many
from archive.web.submission import Submission

SOURCE = "inbox"
LONGEST_TITLE = 200  # characters; WeChat allows 64, and a longer text is none
SHOWN = 200  # characters of an address that is refused
STATEMENT_SECONDS = 10  # whoever files a link waits for the answer


@dataclass(frozen=True, slots=True)
class Refused:
    """An address that is none of a post, and why."""

    address: str
    why: str


@dataclass(frozen=True, slots=True)
class Sorted:
    """Everything found in what was sent."""

    sightings: list[Sighting]
    refused: list[Refused]


def sort_out(sent: Submission, now: datetime) -> Sorted:
    """Tell posts' addresses from others; pure. Raises Refusal when there is none, or too many."""
    found: dict[str, Address] = {}
    refused: list[Refused] = []
    urls = [*in_text(sent.text), *others_in_text(sent.text)]
    if len(urls) > MAX_ADDRESSES:
        raise too_many()
    for url in urls:
        try:
            address = _post(url)
        except AddressError as error:
            refused.append(Refused(url[:SHOWN], str(error)))
        else:
            found[address.url] = address
    if not found:
        raise no_address()
    title = _title(sent) if len(found) == 1 else ""
    return Sorted([Sighting(one, SOURCE, now, title=title) for one in found.values()], refused)


def _post(url: str) -> Address:
    """The post an address names, or else carries: that of the verification page does."""
    try:
        return _without_reader(url)
    except AddressError:
        if inner := embedded(url):
            return _without_reader(inner)
        raise


def _without_reader(url: str) -> Address:
    """Without the reader's session, wherever it is: a fragment names no post, and may hold anything."""
    try:
        clean, _ = urldefrag(without_session(url))
    except ValueError:
        raise AddressError(f"{url[:120]} is not an address") from None
    return parse_address(clean)


def _title(sent: Submission) -> str:
    """What was called so, else what a share sheet writes beside the address."""
    title = " ".join(sent.title.split()) or without_addresses(sent.text)
    return "" if len(title) > LONGEST_TITLE or "\ufffd" in title else title


def file_sightings(engine: Engine, sightings: Sequence[Sighting], now: datetime) -> list[Sighted]:
    """Put them into the archive, due at once unless they have had their final answer; in order.

    Raises SQLAlchemy's DBAPIError or TimeoutError when the database is away, or busy for over 10 s.
    """
    with transaction(engine) as session:
        session.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
        sighted = record_sightings(session, None, sightings, now)
        make_due(session, [one.address_id for one in sighted if not one.is_new], now)
    return sighted
