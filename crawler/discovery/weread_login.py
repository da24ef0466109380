"""A user's login to WeRead: its folder, its cookies, and the record of when it may be used again.

The folder `<home>/weread/<name>` has mode 0700. It holds the browser profile, the cookies of its session and
the record. Instants are aware UTC.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from archive.domain.backoff import exponential
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.system import clock
from archive.system.files import (
    CODE_FILE,
    WEREAD_FOLDER,
    FileUnusable,
    make_private_folder,
    private_opener,
    read_secret_file,
    write_bytes,
)
from crawler.discovery.config import LOOKS_A_DAY, SecretMissing
from crawler.redaction import register_secret

COOKIE_NAMES = ("wr_vid", "wr_skey", "wr_rt")  # those that WeRead's lists ask for

PAUSE = timedelta(seconds=10)  # between two calls of one login: people report a captcha after ten quick ones

MAX_RESERVED = timedelta(minutes=2)  # several processes may wait for their turns with one login

FIRST_REST, LONGEST_REST = timedelta(hours=2), timedelta(hours=24)  # after a captcha or refusal, doubling

EXPIRED_REST = timedelta(hours=24)  # of a login that ended: a person has to sign in; then it is used at once

BETTER_WAY_AFTER = timedelta(hours=24)  # then a way that was not answered is tried again

MAX_FILE = 64 * 1024  # bytes of the cookies or the record

READER, LIST, COVER = "reader", "list", "cover"  # the ways to an account's posts, in the order they are tried

_ONE_DAY = timedelta(days=1)


class ProfileBusy(MessageError):
    """Another process uses the browser profile."""


@dataclass(frozen=True)
class LoginRecord:
    """What is remembered of a login.

    `looks`: when it was used within the last day; `refusals`: in a row; `way`: the one that was answered
    last, `ways_tried_at`: when the ways before it were tried; `problem`: what is wrong with the login, as in
    the codes `crawler.weread.problem.…`.
    """

    looks: tuple[datetime, ...] = ()
    last_call_at: datetime | None = None
    rest_until: datetime | None = None
    refusals: int = 0
    way: str = ""
    ways_tried_at: datetime | None = None
    problem: str = ""
    problem_since: datetime | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read a record. Raises ValueError, TypeError or AttributeError for what is none."""
        instants = {
            name: datetime.fromisoformat(values[name])
            for name in ("last_call_at", "rest_until", "ways_tried_at", "problem_since")
            if values.get(name)
        }
        looks = tuple(map(datetime.fromisoformat, values.get("looks", ())))
        return cls(
            looks=looks,
            refusals=int(values.get("refusals", 0)),
            way=str(values.get("way", "")),
            problem=str(values.get("problem", "")),
            **instants,
        )

    def looks_within_a_day(self, now: datetime) -> int:
        """Return how often the login was used in the 24 hours before `now`."""
        return sum(now - _ONE_DAY < look <= now for look in self.looks)

    def free_at(self, now: datetime, looks_a_day: int) -> datetime:
        """Return when the login may be used next: now, or after its rest, or when a look is a day old."""
        moment = max(now, self.rest_until) if self.rest_until else now
        lately = sorted(look for look in self.looks if moment - _ONE_DAY < look <= moment)
        if len(lately) >= looks_a_day:
            moment = lately[-looks_a_day] + _ONE_DAY
        return moment

    def next_call_at(self, now: datetime) -> datetime:
        """Return when the next call may be made, so that PAUSE lies between two; `now` where none was made.

        A time further ahead than calls are ever reserved comes from a clock that was set back since.
        """
        if self.last_call_at is None:
            return now
        return min(max(now, self.last_call_at + PAUSE), now + MAX_RESERVED)

    def used(self, now: datetime) -> Self:
        """Return the record with one look more."""
        lately = tuple(look for look in self.looks if now - _ONE_DAY < look <= now)
        return replace(self, looks=(*lately, now))

    def answered(self, way: str, now: datetime, *, all_tried: bool) -> Self:
        """Return the record after a look that was answered; `all_tried`: it began with the best way."""
        tried_at = now if all_tried else self.ways_tried_at
        problem = "newest_only" if way == COVER else ""
        settled = replace(self, way=way, ways_tried_at=tried_at, refusals=0, rest_until=None)
        return settled.with_problem(problem, now)

    def refused(self, problem: str, now: datetime) -> Self:
        """Return the record after a captcha or a refusal: the login rests, longer each time in a row."""
        refusals = self.refusals + 1
        rest = exponential(refusals, FIRST_REST, LONGEST_REST)
        return replace(self, refusals=refusals, rest_until=now + rest).with_problem(problem, now)

    def expired(self, now: datetime) -> Self:
        """Return the record of a login that ended."""
        return replace(self, rest_until=now + EXPIRED_REST).with_problem("login_expired", now)

    def with_problem(self, problem: str, now: datetime) -> Self:
        """Return the record with a problem, or without one where it is empty."""
        since = self.problem_since if problem == self.problem else now
        return replace(self, problem=problem, problem_since=since if problem else None)


class WeReadLogin:
    """One login, in its folder. `looks_a_day` is how often it may be used within 24 hours."""

    def __init__(self, home: Path, name: str = "default", looks_a_day: int = LOOKS_A_DAY):
        self.name = name
        self.looks_a_day = looks_a_day
        self.folder = home / WEREAD_FOLDER / name

    @property
    def profile(self) -> Path:
        """Return the folder of the browser profile."""
        return self.folder / "profile"

    @property
    def cookies_file(self) -> Path:
        """Return the file with the cookies of the session."""
        return self.folder / "cookies.json"

    @property
    def code_file(self) -> Path:
        """Return the image of the code to scan, which is there while somebody signs in."""
        return self.folder / CODE_FILE

    @property
    def is_signed_in(self) -> bool:
        """Tell whether there are cookies of a session; what cannot be looked into may hold some."""
        try:
            return self.cookies_file.exists()
        except OSError:
            return True

    @property
    def has_profile(self) -> bool:
        """Tell whether somebody has signed in with a browser here."""
        return self.profile.is_dir()

    def prepare(self) -> None:
        """Make the folders with mode 0700, also where they stood with another one. Raises OSError."""
        for folder in (self.folder.parent, self.folder, self.profile):
            make_private_folder(folder)
            folder.chmod(0o700)

    def cookies(self) -> dict[str, str]:
        """Return the cookies of the session; no log of this process shows them from now on.

        Raises SecretMissing when nobody has signed in, or others may read the file.
        """
        if not self.is_signed_in:
            raise SecretMissing("crawler.weread.not_signed_in", login=self.name)
        try:
            values = json.loads(read_secret_file(self.cookies_file, MAX_FILE, "no session has"))
            cookies = {str(name): str(value) for name, value in values.items()}
        except FileUnusable as error:
            raise SecretMissing.from_file(error) from None
        except (ValueError, AttributeError, RecursionError):
            raise SecretMissing("crawler.weread.cookies_unreadable", path=self.cookies_file) from None
        for value in cookies.values():
            register_secret(value)
        return cookies

    def save_cookies(self, cookies: Mapping[str, str]) -> None:
        """Store those of COOKIE_NAMES with mode 0600; an empty value removes one. Raises OSError."""
        present = {name: cookies[name] for name in COOKIE_NAMES if cookies.get(name)}
        for value in present.values():
            register_secret(value)
        write_bytes(self.cookies_file, json.dumps(present).encode(), is_private=True)

    def record(self) -> LoginRecord:
        """Return the record; an empty one where there is none, or none that can be read."""
        with suppress(FileUnusable, ValueError, TypeError, AttributeError, RecursionError):
            return LoginRecord.from_json(
                json.loads(read_secret_file(self._record, MAX_FILE, "no record has"))
            )
        return LoginRecord()

    def save(self, record: LoginRecord) -> None:
        """Store the record. Raises OSError."""
        content = json.dumps(asdict(record), default=datetime.isoformat)
        write_bytes(self._record, content.encode(), is_private=True)

    def begin_look(self) -> LoginRecord:
        """Count one look from now on, and return the record as it was before. Raises OSError."""
        with self._lock("record.lock"):
            before = self.record()
            self.save(before.used(clock.now()))
        return before

    def reserve_call(self) -> float:
        """Reserve the next call against other processes; return the seconds until then. Raises OSError."""
        now = clock.now()
        with self._lock("record.lock"):
            record = self.record()
            at = record.next_call_at(now)
            self.save(replace(record, last_call_at=at))
        return (at - now).total_seconds()

    def finish_look(self, record: LoginRecord) -> None:
        """Store how a look ended, with what other processes did meanwhile. Raises OSError.

        Where another one was refused meanwhile, the login rests all the same.
        """
        with self._lock("record.lock"):
            stored = self.record()
            rests = stored.rest_until is not None and stored.rest_until > clock.now()
            if rests and record.rest_until is None:
                return
            self.save(replace(record, looks=stored.looks, last_call_at=stored.last_call_at))

    def signed_in(self, cookies: Mapping[str, str]) -> None:
        """Store the cookies of a new session; what was wrong with the one before is over. Raises OSError."""
        self.save_cookies(cookies)
        record = self.record()
        self.code_file.unlink(missing_ok=True)
        self.save(LoginRecord(looks=record.looks, last_call_at=record.last_call_at))

    def unavailable(self, now: datetime) -> Message | None:
        """Return why the login may not be used now; None where it may."""
        record = self.record()
        free_at = record.free_at(now, self.looks_a_day)
        if free_at <= now:
            return None
        if record.rest_until and record.rest_until > now:
            reason = Message(f"crawler.weread.problem.{record.problem or 'refused'}")
            return Message("crawler.weread.resting", {"reason": reason, "until": free_at})
        return Message("crawler.weread.looks_used_up", {"n": self.looks_a_day, "until": free_at})

    @contextmanager
    def hold_profile(self) -> Iterator[None]:
        """Keep the browser profile for this process. Raises ProfileBusy where another one has it."""
        try:
            with self._lock("profile.lock", fcntl.LOCK_NB):
                yield
        except BlockingIOError:
            raise ProfileBusy("crawler.weread.profile_busy", path=self.profile) from None

    @contextmanager
    def _lock(self, name: str, how: int = 0) -> Iterator[None]:
        """Hold a lock against other processes; it ends with this one, however that ends. Raises OSError."""
        with open(self.folder / name, "ab", opener=private_opener) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | how)
            yield

    @property
    def _record(self) -> Path:
        return self.folder / "record.json"
