"""Give commands an outgoing connection each: network namespaces of Linux, joined by a bridge to this one.

Needs root and the commands ip and iptables. In each namespace a port of 127.0.0.1 leads to the same port of
the bridge's address here, where a server sees the address of the namespace.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

BRIDGE, HERE = "mparchive0", "10.77.7.1"
_NAME = "mparchive-{number}"  # of a namespace
_ADDRESS = "10.77.7.{last}"


class Unsupported(Exception):
    """This machine gives us no network namespaces; the message says why in one sentence."""


@dataclass(frozen=True)
class Exit:
    """One namespace, and the address by which it reaches servers."""

    namespace: str
    address: str

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command line that runs a command there."""
        return ["ip", "netns", "exec", self.namespace, *arguments]


@contextmanager
def network(number: int, port: int) -> Iterator[list[Exit]]:
    """Yield so many exits while the block lasts. Raises Unsupported."""
    missing = [name for name in ("ip", "iptables") if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        reason = f"the command {missing[0]} is missing" if missing else "only root may make them"
        raise Unsupported(f"No network namespaces for the workers: {reason}.")
    with ExitStack() as stack:
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        stack.callback(_run, "ip", "link", "del", BRIDGE)
        _run("ip", "address", "add", f"{HERE}/24", "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        yield [_exit(stack, one, port) for one in range(1, number + 1)]


def _exit(stack: ExitStack, number: int, port: int) -> Exit:
    name, address = _NAME.format(number=number), _ADDRESS.format(last=10 + number)
    _run("ip", "netns", "add", name)
    stack.callback(_run, "ip", "netns", "del", name)
    inside, outside = f"mpa-in{number}", f"mpa-out{number}"
    _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
    _run("ip", "link", "set", outside, "master", BRIDGE, "up")
    there = Exit(name, address)
    for command in (
        f"ip address add {address}/24 dev {inside}",
        f"ip link set {inside} up",
        "ip link set lo up",
        "sysctl -qw net.ipv4.conf.all.route_localnet=1",
        f"iptables -t nat -A OUTPUT -d 127.0.0.1 -p tcp --dport {port} -j DNAT --to {HERE}:{port}",
        f"iptables -t nat -A POSTROUTING -o {inside} -j SNAT --to {address}",
    ):
        _run(*there.command(command.split()))
    return there


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Unsupported(f"No network namespaces for the workers: {' '.join(command)}: {said[-1]}.")
