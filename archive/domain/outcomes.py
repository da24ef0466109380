"""Enumerate what a response, a post, a medium, a link, a change, a list and a citation can be."""

from enum import StrEnum


class Outcome(StrEnum):
    """What a capture turned out to be. Only ARTICLE becomes a post; outcomes are values, never exceptions."""

    ARTICLE = "article"
    DELETED = "deleted"
    VIOLATION = "violation"
    UNAVAILABLE = "unavailable"
    EXPIRED_LINK = "expired_link"
    MIGRATED = "migrated"
    PRIVATE = "private"
    VERIFICATION = "verification"
    RATE_LIMITED = "rate_limited"
    BAD_REQUEST = "bad_request"
    UNKNOWN = "unknown"

    @property
    def blocks(self) -> bool:
        """Tell whether the server refuses to answer: the run must stop."""
        return self in (Outcome.VERIFICATION, Outcome.RATE_LIMITED)

    @property
    def is_final(self) -> bool:
        """Tell whether the response says what became of the post: asking again soon is pointless."""
        return not self.blocks and self is not Outcome.UNKNOWN

    @property
    def is_away(self) -> bool:
        """Tell whether the server says that the post of this address is unavailable.

        An expired link or a bad address says nothing about the post.
        """
        return self in (
            Outcome.DELETED,
            Outcome.VIOLATION,
            Outcome.UNAVAILABLE,
            Outcome.MIGRATED,
            Outcome.PRIVATE,
        )


BLOCKING = frozenset(outcome.value for outcome in Outcome if outcome.blocks)

AWAY = frozenset(outcome.value for outcome in Outcome if outcome.is_away)


class Kind(StrEnum):
    """The kind of post an ARTICLE is; the number is WeChat's `item_show_type`."""

    ARTICLE = "article"  # 0
    SHARE = "share"  # 0 with copyright_stat 2: another account's post, quoted or reprinted in full
    VIDEO = "video"  # 5
    MUSIC = "music"  # 6
    AUDIO = "audio"  # 7
    PICTURE = "picture"  # 8
    TEXT = "text"  # 10
    SHORT = "short"  # 17


class MediumType(StrEnum):
    """The kind of file a medium is."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    STYLE = "style"  # a style sheet of WeChat's pages, which belongs to no post


class Role(StrEnum):
    """The role of a medium in its post."""

    IMAGE = "image"  # in the body, in the order shown
    COVER = "cover"  # of the post, in listings
    POSTER = "poster"  # the still of a video
    AUDIO = "audio"
    VIDEO = "video"

    @property
    def type(self) -> MediumType:
        """Return the type of file; covers and posters are images."""
        return {Role.AUDIO: MediumType.AUDIO, Role.VIDEO: MediumType.VIDEO}.get(self, MediumType.IMAGE)


class MediumOutcome(StrEnum):
    """The result of a download of a medium."""

    KEPT = "kept"
    REFUSED = "refused"  # a response that is not stored: no image, too large, dangerous
    FAILED = "failed"  # no complete response


class Relation(StrEnum):
    """What a link leads to, as seen from the post that holds it."""

    POST = "post"  # another post, in the body
    TOPIC = "topic"  # a #topic
    ALBUM = "album"  # an album the post is in
    PREVIOUS = "previous"  # the album's post before
    NEXT = "next"  # the album's post after
    MINI_PROGRAM = "mini_program"
    ACCOUNT = "account"  # another account's profile card
    SOURCE = "source"  # 阅读原文
    REPRINT = "reprint"  # the post this one shares or reprints
    WEB = "web"  # any other page


class RunStatus(StrEnum):
    """How a run ended; `sound` and `not_sound` are those of `verify`."""

    DONE = "done"
    NOTHING_DUE = "nothing_due"
    PARTLY_FAILED = "partly_failed"
    STOPPED = "stopped"
    NOTHING_FETCHED = "nothing_fetched"
    VERIFICATION = "verification"
    RATE_LIMITED = "rate_limited"
    DATABASE = "database"
    USAGE = "usage"
    FAILED = "failed"
    SOUND = "sound"
    NOT_SOUND = "not_sound"


class ChangeKind(StrEnum):
    """What happened to a post: kinds that versions show come before those that absences show."""

    NEW = "new"
    EDITED = "edited"
    REMOVED = "removed"
    RESTORED = "restored"


class PostMark(StrEnum):
    """How a post changed since it was first archived; ANY stands for each of them in a filter."""

    ANY = "any"
    EDITED = "edited"
    REMOVED = "removed"  # and still away
    RESTORED = "restored"  # after it had been away


class PostOrder(StrEnum):
    """Orders of a list of posts."""

    NEWEST = "newest"  # by date of publication
    OLDEST = "oldest"
    ARCHIVED = "archived"  # the last archived first
    TITLE = "title"


class PostCount(StrEnum):
    """What posts are counted by."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ACCOUNT = "account"
    KIND = "kind"


class CitationFormat(StrEnum):
    """The formats of a citation."""

    GBT7714 = "gbt7714"
    BIBTEX = "bibtex"
    RIS = "ris"
    CSL_JSON = "csl-json"


STYLE_SHEETS = "style_sheets"  # begins the names of what is counted of them, apart from pictures

LINKS_TO_POSTS = (Relation.POST, Relation.PREVIOUS, Relation.NEXT)  # of the same account, or another


# Outcomes of addresses that no capture has.
NO_ANSWER = "no_answer"  # no response came

NOT_RENDERED = "not_drawn"  # an article whose text only a browser shows, and none has rendered it yet

FORGOTTEN = "forgotten"  # the post was removed on purpose: it is fetched only when somebody gives its address
