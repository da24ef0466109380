"""Tell the service manager (systemd) that the daemon is ready, alive or stopping.

The protocol of sd_notify(3): datagrams to the Unix socket that NOTIFY_SOCKET names. Without that variable, as
in a container or on a terminal, nothing is sent.
"""

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"

_MICROSECONDS = 1_000_000

log = structlog.get_logger()


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send a state; returns whether there was somebody to send it to. A failure is only logged."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.connect(f"\0{address[1:]}" if address.startswith("@") else address)  # @: an abstract name
            sender.sendall(state.encode())
    except OSError as error:
        log.warning("the service manager was not told", action="notify_failed", reason=str(error))
        return False
    return True


def watchdog_interval(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return the seconds between signs of life: half of what systemd allows; None where it wants none."""
    allowed, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not allowed.isdecimal() or int(allowed) == 0 or process not in ("", str(os.getpid())):
        return None
    return int(allowed) / _MICROSECONDS / 2


async def show_signs_of_life(environment: Mapping[str, str] = os.environ) -> None:
    """Show until cancelled that the event loop runs; returns at once where nobody watches.

    A database that is away is no reason to restart the daemon: it waits for it by itself.
    """
    interval = watchdog_interval(environment)
    while interval is not None and notify(ALIVE, environment):
        await asyncio.sleep(interval)
