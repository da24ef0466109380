"""The words every part uses for what a page turned out to be (product vocabulary)."""

from enum import StrEnum


class Outcome(StrEnum):
    """What one capture is. Only ARTICLE becomes a post; outcomes are values, never exceptions."""

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
        """The server is refusing us, not telling about the post: the run must stop."""
        return self in (Outcome.VERIFICATION, Outcome.RATE_LIMITED)

    @property
    def is_final(self) -> bool:
        """The server has told what became of the post: asking again soon is pointless."""
        return not self.blocks and self is not Outcome.UNKNOWN

    @property
    def is_away(self) -> bool:
        """The server says of the post that was at this address that it is not to be had.

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
    """What sort of post an ARTICLE is; WeChat's `item_show_type` in brackets."""

    ARTICLE = "article"  # 0
    SHARE = "share"  # 0 with copyright_stat 2: another account's post, quoted or reprinted in full
    VIDEO = "video"  # 5
    MUSIC = "music"  # 6
    AUDIO = "audio"  # 7
    PICTURE = "picture"  # 8
    TEXT = "text"  # 10
    SHORT = "short"  # 17


class MediumType(StrEnum):
    """What sort of file a medium is."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"


class Role(StrEnum):
    """What a medium is in its post."""

    IMAGE = "image"  # in the body, in the order shown
    COVER = "cover"  # of the post, in listings
    POSTER = "poster"  # the still of a video
    AUDIO = "audio"
    VIDEO = "video"

    @property
    def type(self) -> MediumType:
        """Covers and posters are images."""
        return {Role.AUDIO: MediumType.AUDIO, Role.VIDEO: MediumType.VIDEO}.get(self, MediumType.IMAGE)


class MediumOutcome(StrEnum):
    """What became of asking for a medium."""

    KEPT = "kept"
    REFUSED = "refused"  # an answer, but not what was asked for: no image, too large, dangerous
    FAILED = "failed"  # no whole answer


class Relation(StrEnum):
    """How what a link leads to stands to the post that holds it."""

    POST = "post"  # another post, in the body
    TOPIC = "topic"  # a #topic
    ALBUM = "album"  # an album the post is in
    PREVIOUS = "previous"  # the album's post before
    NEXT = "next"  # the album's post after
    MINI_PROGRAM = "mini_program"
    ACCOUNT = "account"  # another account's card
    SOURCE = "source"  # 阅读原文
    REPRINT = "reprint"  # the post this one shares or reprints
    WEB = "web"  # any other page


NO_ANSWER = "no_answer"

NOT_DRAWN = "not_drawn"  # an article, whose text only a browser has; none has drawn it yet
