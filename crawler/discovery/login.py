"""The operator's own login to an account's back-end, as it is written down for us, and how long it lasts."""

import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

LIFE = timedelta(days=4)  # of a login, as people report
WARNED = timedelta(days=1)  # before its end: somebody has to find a telephone and scan a code
_LINE = re.compile(r"^\s*([A-Za-z_]+)\s*[:=]\s*(.+?)\s*$", re.MULTILINE)
_NUMBER = re.compile(r"(?:^|;)\s*(?:slave_bizuin|data_bizuin|bizuin)=(\d+)")


class LoginError(Exception):
    """What was written down is no login; one sentence without any of it."""


@dataclass(frozen=True)
class Login:
    """A cookie and the token that belongs to it. `ends` is an aware UTC instant, None where nothing tells."""

    cookie: str = field(repr=False)
    token: str = field(repr=False)
    ends: datetime | None = None

    def is_of(self, biz: str) -> bool | None:
        """Whether it is a login of this very account; None when the cookie does not tell."""
        numbers = set(_NUMBER.findall(self.cookie))
        mine = _number_of(biz)
        return mine in numbers if numbers and mine else None

    def warning(self, now: datetime) -> str:
        """What to say about its end; empty while there is time."""
        if self.ends is None or self.ends - now > WARNED:
            return ""
        if self.ends <= now:
            return "the login is older than logins last and will end any moment; sign in again now."
        hours = int((self.ends - now).total_seconds() // 3600)
        return f"the login ends in about {hours} h; sign in again and put the new cookie and token in place."


def _number_of(biz: str) -> str:
    try:
        return b64decode(biz, validate=True).decode("ascii")
    except (NotBase64, ValueError):
        return ""


def read_login(text: str, written_at: datetime | None = None) -> Login:
    """Read `{"cookie": …, "token": …}`, or lines `cookie: …` and `token: …`. Raises LoginError.

    `ends`, an ISO date with time, may stand with them; otherwise a login lasts LIFE from `written_at`.
    """
    told = _told(text)
    cookie, token = str(told.get("cookie") or "").strip(), str(told.get("token") or "").strip()
    missing = [name for name, value in {"cookie": cookie, "token": token}.items() if not value]
    if missing:
        raise LoginError(
            f'the login has no {" and no ".join(missing)}; write {{"cookie": …, "token": …}}, '
            "or one line for each"
        )
    if not re.fullmatch(r"\d{1,20}", token):
        raise LoginError("the token of the login is no number; copy what stands after token= in the address")
    if re.search(r"[\x00-\x1f\x7f]", cookie) or not cookie.isascii():
        raise LoginError("the cookie of the login holds a line break or another character no cookie has")
    ends = _ends(told.get("ends"))
    return Login(cookie, token, ends or (written_at + LIFE if written_at else None))


def _told(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {name.lower(): value for name, value in _LINE.findall(text)}
    return value if isinstance(value, dict) else {}


def _ends(text: Any) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise LoginError("`ends` of the login is no date and time like 2026-11-28T09:00+08:00") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
