"""The stand-in as a child process, for tests and measurements."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.standin.account import COMMISSION
from tests.standin.pages import LIGHT

ROOT = Path(__file__).resolve().parents[2]
ANSWER = 30  # seconds for an order


class Standin:
    """Runs while the `with` block does; `origin` is its http://HOST:PORT.

    `weight` is the bytes of script in a page, `host` the address to listen at. Without `dump` or `week` it
    serves the catalogue of `tests.standin.pages`. With `styled` its pages load style sheets. `faults` are in
    force from the start (the arguments of `fault`, as dicts).
    """

    def __init__(
        self,
        *,
        weight: int = LIGHT,
        port: int = 0,
        host: str = "127.0.0.1",
        dump: Path | None = None,
        week: bool = False,
        styled: bool = False,
        captures: Path | None = None,
        faults: Sequence[dict[str, Any]] = (),
    ) -> None:
        given = {
            "port": port,
            "host": host,
            "weight": weight,
            "dump": dump,
            "captures": captures,
        }
        arguments = [f"--{name}={value}" for name, value in given.items() if value is not None]
        arguments += [f"--fault={json.dumps(fault)}" for fault in faults]
        arguments += [f"--{name}" for name, wanted in {"week": week, "styled": styled}.items() if wanted]
        self._command = [sys.executable, "-m", "tests.standin", *arguments]
        self._process: subprocess.Popen[str] | None = None
        self.origin = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        self.origin = self._process.stdout.readline().strip()
        if not self.origin:
            self.__exit__(None, None, None)
            raise RuntimeError(f"the stand-in did not start: {' '.join(self._command)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(timeout=ANSWER)
        if self._process.stdout:
            self._process.stdout.close()
        self._process = None

    @property
    def pid(self) -> int:
        """The child's process id."""
        assert self._process is not None, "the stand-in is not running"
        return self._process.pid

    def fault(self, kind: str, post: str | None = None, **more: Any) -> None:
        """Put a fault in force (see faults.KINDS), for one post (name, aid or token) or for all.

        More: times, after, seconds, status, retry_after, to.
        """
        self._order(do="fault", kind=kind, post=post, **more)

    def clear(self) -> None:
        """Take all faults back."""
        self._order(do="clear")

    def show(self, post: str, what: str) -> None:
        """Let a post's address show a notice (notices.NOTICES), a variant such as "edited", or "original"."""
        self._order(do="show", post=post, what=what)

    def source(self, source: str, fault: str | None) -> None:
        """Let a source be struck by a fault (discovery.FAULTS, weread.FAULTS), or be well.

        The sources are album, backend, official, feed, weread and weread_agent.
        """
        self._order(do="source", source=source, fault=fault)

    def weread(self, what: str) -> None:
        """Scan the code of the last sign-in page ("scan"), or let the session time out ("end_session")."""
        self._order(do="weread", what=what)

    def publish(self, number: int, posts: int, at: datetime, biz: str = COMMISSION.biz) -> None:
        """Publish a push now (tests.standin.publishing); `at` is what its pages say."""
        self._order(do="publish", number=number, posts=posts, at=at.isoformat(), biz=biz)

    def forget(self) -> None:
        """Start the statistics anew."""
        self._order(do="forget")

    def stats(self) -> dict[str, Any]:
        """total; paths and targets, counted; requests (target, path, client, at, status, fault), gaps (s)."""
        told: dict[str, Any] = self._ask("/__stats")
        return told

    def describe(self) -> list[dict[str, Any]]:
        """Return what a correct parser reads at every address now: the fields of `account.Expected`."""
        told: list[dict[str, Any]] = self._ask("/__posts")
        return told

    def _order(self, **order: Any) -> None:
        self._ask("/__control", json.dumps(order).encode())

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        try:
            with urlopen(Request(self.origin + path, data=body), timeout=ANSWER) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None
