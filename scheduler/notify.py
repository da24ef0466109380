"""Tell people of incidents, through apprise: mail, DingTalk, Feishu, WeCom and a hundred more."""

import logging
from collections.abc import Sequence

from apprise import Apprise, NotifyType

from archive.db.models import Incident
from archive.domain.records import SHANGHAI

MAX_ADDRESSES = 20

MAX_WORDS = 3500  # characters; the shortest of the usual services takes 4,096

TITLE = "mparchive"

# Its lines hold the addresses, and these hold secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class NotTold(Exception):
    """An alarm could not be sent; one sentence without any address."""


def tell(addresses: str, begun: Sequence[Incident], ended: Sequence[Incident]) -> list[int]:
    """Send one message about all of them to every address (one a line); the numbers of those that took none.

    Raises NotTold when no address took it. Once one has it is told: that one would get each further try too.
    """
    lines = [line.strip() for line in addresses.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    if not wanted or len(wanted) > MAX_ADDRESSES:
        raise NotTold(f"there are {len(wanted)} addresses to tell; 1 to {MAX_ADDRESSES} were expected")
    senders = [_sender(line) for line in wanted]
    if all(sender is None for sender in senders):
        raise NotTold("address 1 of those to tell is none that apprise knows")
    kind = NotifyType.WARNING if begun else NotifyType.SUCCESS
    what, body = title(begun, ended), words(begun, ended)
    missed = [
        number
        for number, sender in enumerate(senders, 1)
        if sender is None or not sender.notify(title=what, body=body, notify_type=kind)
    ]
    if len(missed) == len(wanted):
        raise NotTold("an alarm could not be sent to any address; it is tried again")
    return missed


def _sender(address: str) -> Apprise | None:
    """None for an address that apprise does not know."""
    sender = Apprise()
    return sender if sender.add(address) else None


def title(begun: Sequence[Incident], ended: Sequence[Incident]) -> str:
    """What a message is called."""
    parts = [f"{len(begun)} new" if begun else "", f"{len(ended)} over" if ended else ""]
    return f"{TITLE}: {', '.join(filter(None, parts))}"


def words(begun: Sequence[Incident], ended: Sequence[Incident]) -> str:
    """The message: what began and what to do, then what is over."""
    paragraphs = [f"{one.words}.\n→ {one.remedy}." for one in begun]
    paragraphs += [f"Over since {_local(one)}: {one.words}." for one in ended]
    whole = "\n\n".join(paragraphs)
    return whole if len(whole) <= MAX_WORDS else whole[:MAX_WORDS] + " …"


def _local(incident: Incident) -> str:
    moment = incident.closed_at or incident.last_seen_at
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
