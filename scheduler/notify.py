"""Reports incidents to people through apprise: mail, DingTalk, Feishu, WeCom and a hundred more services."""

import logging
from collections.abc import Sequence

from apprise import Apprise, NotifyType

from archive.db.models import Incident
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.system.catalogues import Language, process_language

MAX_ALARM_ADDRESSES = 20

MAX_ALARM_LENGTH = 3500  # characters; the shortest of the usual services takes 4,096

# Its log lines hold the addresses, and these hold secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class AlarmNotSent(MessageError):
    """An alarm could not be sent; the message names no address."""


def send_alarm(
    addresses: str, begun: Sequence[Incident], ended: Sequence[Incident], language: Language | None = None
) -> list[int]:
    """Send one message about all these incidents to every address (one per line, # begins a comment).

    Returns the numbers of the addresses that did not take it, from 1. Raises AlarmNotSent when none did: once
    one has, it counts as sent, since that one would get each further try too.
    """
    lines = [line.strip() for line in addresses.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    if not wanted or len(wanted) > MAX_ALARM_ADDRESSES:
        raise AlarmNotSent("scheduler.alarm.address_count", count=len(wanted), most=MAX_ALARM_ADDRESSES)
    senders = [_sender(line) for line in wanted]
    if all(sender is None for sender in senders):
        raise AlarmNotSent("scheduler.alarm.no_known_address")
    language = language or process_language()
    kind = NotifyType.WARNING if begun else NotifyType.SUCCESS
    title, body = alarm_title(begun, ended, language), alarm_body(begun, ended, language)
    missed = [
        number
        for number, sender in enumerate(senders, 1)
        if sender is None or not sender.notify(title=title, body=body, notify_type=kind)
    ]
    if len(missed) == len(wanted):
        raise AlarmNotSent("scheduler.alarm.no_address_took_it")
    return missed


def _sender(address: str) -> Apprise | None:
    """Return a sender; None for an address that apprise does not know."""
    sender = Apprise()
    return sender if sender.add(address) else None


def alarm_title(begun: Sequence[Incident], ended: Sequence[Incident], language: Language) -> str:
    """Return the title: how many incidents are new and how many are over."""
    parts = []
    if begun:
        parts.append(Message("scheduler.alarm.new", {"n": len(begun)}))
    if ended:
        parts.append(Message("scheduler.alarm.over", {"n": len(ended)}))
    return Message("scheduler.alarm.title", {"parts": parts}).text(language)


def alarm_body(begun: Sequence[Incident], ended: Sequence[Incident], language: Language) -> str:
    """Return the text: what began and what to do, then what is over; at most MAX_ALARM_LENGTH characters."""
    paragraphs = [
        Message("scheduler.alarm.begun", {"problem": one.message, "remedy": one.remedy_message})
        for one in begun
    ]
    paragraphs += [
        Message("scheduler.alarm.ended", {"since": one.closed_at or one.last_seen_at, "problem": one.message})
        for one in ended
    ]
    whole = "\n\n".join(one.text(language) for one in paragraphs)
    return whole if len(whole) <= MAX_ALARM_LENGTH else whole[:MAX_ALARM_LENGTH] + " …"
