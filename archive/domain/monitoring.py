"""What the health checks are given and what they find."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Self

from archive.domain.messages import Message

VERBATIM = "archive.verbatim"  # the code of sentences that earlier versions stored


class SourceType(StrEnum):
    """What lists the posts of an account."""

    ALBUM = "album"
    COMMAND = "command"
    FEED = "feed"
    LIST = "list"
    NEIGHBOURS = "neighbours"
    OFFICIAL = "official"
    OWN_BACKEND = "own_backend"
    WEREAD = "weread"
    WEREAD_AGENT = "weread_agent"


# The source that lists what archived posts link to: it asks nobody, so it finds no post that none links to.
NEIGHBOURS = SourceType.NEIGHBOURS.value

# The states of sources that the database accepts; crawler.discovery.source.State says what they mean.
SOURCE_STATES = (
    "ok", "partly", "newest_only", "unchanged", "empty", "closed", "login_expired", "bad_token", "refused",
    "rate_limited", "verification", "unreachable", "not_understood", "foreign", "not_configured",
)  # fmt: skip


class SourceName(NamedTuple):
    """The name of a source within its account, as configuration, command line and JSON have it.

    It is `type`, or `type:external_id` (album:123, feed:rss.example/news) where an account may have several.
    """

    type: str
    external_id: str | None = None

    @classmethod
    def parse(cls, name: str) -> Self:
        """Take a name apart. Raises ValueError where there is no such type."""
        type_, colon, external_id = name.partition(":")
        return cls(SourceType(type_), external_id if colon else None)

    def __str__(self) -> str:
        """Return the name."""
        return self.type if self.external_id is None else f"{self.type}:{self.external_id}"


# The source that names posts without their addresses: it finds none either.
TITLES_ONLY = SourceType.WEREAD_AGENT.value

ANNOUNCED = "announced"  # key of a source's memory: the posts that it named without an address


@dataclass(frozen=True, slots=True)
class AnnouncedPost:
    """A post that a source named by its title only, and that nothing has brought since; times are UTC."""

    source: str
    title: str
    published_at: datetime | None
    first_seen_at: datetime


class IncidentKind(StrEnum):
    """What incidents are about; alarms, metrics and docs/how-to/operate.md name them so."""

    QUIET = "quiet"  # an account that is silent for longer than usual
    BLIND = "blind"  # an account none of whose sources works
    SOURCE = "source"  # a source that does not work
    UNWATCHED = "unwatched"  # an account without a source
    ANNOUNCED = "announced"  # posts of an account that are known by their titles only
    LOGIN = "login"  # a login that several accounts may share
    VERIFICATION = "verification"  # an egress that is blocked after a challenge
    DISK = "disk"  # a folder whose disk is nearly full
    JOBS = "jobs"  # a kind of job that is given up
    CONFIG = "config"
    ALARMS = "alarms"
    INBOX = "inbox"
    CAPTURE = "capture"  # a capture that could not be parsed; without an id all further ones
    OTHER_POSTS = "other_posts"  # addresses that give another post
    OTHER = "other"  # of an earlier version, whose subject is the whole key


STALE_KINDS = (IncidentKind.QUIET, IncidentKind.BLIND)  # of incidents that say that posts may be missed

MORE_CAPTURES = "more"  # stands in the key for the captures beyond those that have an incident each


@dataclass(frozen=True, slots=True)
class IncidentSubject:
    """What an incident is about: it stays the same while the incident lasts, whatever its message says.

    Only what the kind needs is set. `name` is a folder, a kind of job, or the key of an earlier version.
    """

    kind: IncidentKind
    biz: str = ""
    source: str = ""
    egress: str = ""
    capture_id: int | None = None
    name: str = ""

    @property
    def key(self) -> str:
        """Return the subject as one string, as alarms, metrics and answers name it: `source:BIZ:album:1`."""
        if self.kind is IncidentKind.OTHER:
            return self.name
        parts: list[str] = [self.kind, *filter(None, (self.biz, self.source, self.egress, self.name))]
        if self.kind is IncidentKind.CAPTURE and not self.name:
            parts.append(MORE_CAPTURES if self.capture_id is None else str(self.capture_id))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """Something that is wrong now. Its subject stays the same while it lasts; its code has a remedy."""

    subject: IncidentSubject
    message: Message

    @property
    def key(self) -> str:
        """Return what it is about, as one string."""
        return self.subject.key

    @property
    def remedy(self) -> Message:
        """Return what to do about it."""
        return remedy_for(self.message)


def remedy_for(problem: Message) -> Message:
    """Return what to do about a problem: its code with `.remedy`, or the stored sentence of an old one."""
    if problem.code == VERBATIM:
        return Message(VERBATIM, {"text": problem.params.get("remedy", "")})
    return Message(f"{problem.code}.remedy", problem.params)


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The stored state of one source. Instants are aware UTC.

    The fields have the names that JSON has. `since`: since when it has been in its state; `failures`: checks
    in a row that were not good; `seen` and `new`: posts it listed at the last check, and those that were new;
    `next_try_at`: when it is due, None for at once.
    """

    biz: str
    account: str
    name: str
    state: str | None = None
    detail: str = ""
    since: datetime | None = None
    failures: int = 0
    seen: int = 0
    new: int = 0
    newest_at: datetime | None = None
    last_tried_at: datetime | None = None
    last_good_at: datetime | None = None
    next_try_at: datetime | None = None


def unwatched(account: str, albums: Sequence[str] = ()) -> Message:
    """Return that no source watches an account; its remedy names the albums (ids) of its posts, if any."""
    if not albums:
        return Message("archive.unwatched.no_album", {"account": account})
    setting = ", ".join(f'"{album}"' for album in albums)
    return Message("archive.unwatched.albums", {"account": account, "albums": f"albums = [{setting}]"})


def with_remedy(problem: Message) -> Message:
    """Return a problem and what to do about it, as one message."""
    return Message("archive.status.incident", {"problem": problem, "remedy": remedy_for(problem)})
