"""Tell people of incidents, through apprise: mail, DingTalk, Feishu, WeCom and a hundred more."""

import logging
from collections.abc import Sequence

from apprise import Apprise, NotifyType

from archive.models import Incident
from scheduler.rhythm import SHANGHAI

MAX_ADDRESSES = 20
MAX_WORDS = 3500  # characters; the shortest of the usual services takes 4,096
TITLE = "mparchive"

# Its lines hold the addresses, and these hold secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class NotTold(Exception):
    """An alarm could not be sent; one sentence without any address."""


def tell(addresses: str, begun: Sequence[Incident], ended: Sequence[Incident]) -> None:
    """Send one message about all of them to every address (one a line). Raises NotTold."""
    sender, lines = Apprise(), [line.strip() for line in addresses.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    if not wanted or len(wanted) > MAX_ADDRESSES:
        raise NotTold(f"there are {len(wanted)} addresses to tell; 1 to {MAX_ADDRESSES} were expected")
    for number, line in enumerate(wanted, 1):
        if not sender.add(line):
            raise NotTold(f"address {number} of those to tell is none that apprise knows")
    kind = NotifyType.WARNING if begun else NotifyType.SUCCESS
    if not sender.notify(title=title(begun, ended), body=words(begun, ended), notify_type=kind):
        raise NotTold("an alarm could not be sent to every address; it is tried again")


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
