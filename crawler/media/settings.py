"""Settings of media downloads from the environment: which types, how fast, and how large."""

from typing import TYPE_CHECKING, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from archive.db.settings import MAX_QUOTED
from archive.domain.errors import ArchiveError, MessageError
from archive.domain.messages import Message
from archive.domain.outcomes import MediumType

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_MEDIA = 20_000  # of one run: 33 hours at 6 s each; the rest stays due for the next

MEGABYTE = 1024 * 1024

MAX_IMAGE_BYTES = 32 * MEGABYTE  # WeChat takes images of up to 10 MB

MAX_STYLE_BYTES = 2 * MEGABYTE  # to check the worst takes 5 s and 400 MB

MAX_AUDIO_BYTES = 64 * MEGABYTE  # an hour at 128 kbit/s

DEFAULT_VIDEO_MB = 256  # WeChat takes videos of up to 200 MB

LARGEST_VIDEO_MB = 500  # passing one to the worker takes three times its size; at 2 GB Scrapy ends the crawl


MAX_SECONDS = 3600.0  # of a delay or a timeout; a crawl ends within an hour, and `inf` would never end


class SettingError(ArchiveError):
    """Variables of the environment have wrong values; the message names each of them."""

    @classmethod
    def from_validation(cls, error: ValidationError) -> Self:
        """Return the error for what pydantic found."""
        return cls("crawler.settings.invalid", problems=[_problem(wrong) for wrong in error.errors()])


class InvalidSetting(MessageError, ValueError):
    """One value is wrong; pydantic turns it into its own error, with this one in it."""


class MediaSettings(BaseSettings):
    """Settings that are read from the environment; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True)

    media_types: str = "image,style"
    media_delay: float | None = Field(default=None, ge=0, le=MAX_SECONDS)  # seconds; None: as for pages
    max_video_mb: int = Field(default=DEFAULT_VIDEO_MB, ge=1, le=LARGEST_VIDEO_MB)

    @field_validator("media_types")
    @classmethod
    def _known_types(cls, value: str) -> str:
        types_in(value)
        return value

    @classmethod
    def read(cls) -> Self:
        """Read the environment. Raises SettingError."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingError.from_validation(error) from None

    @property
    def types(self) -> tuple[MediumType, ...]:
        """Return the types of media that are downloaded."""
        return types_in(self.media_types)


def _problem(wrong: "ErrorDetails") -> Message:
    name = "MPARCHIVE_" + "_".join(map(str, wrong["loc"])).upper()
    cause = wrong.get("ctx", {}).get("error")
    reason = cause.message if isinstance(cause, MessageError) else wrong["msg"]
    return Message(
        "crawler.settings.variable", {"name": name, "value": quoted(wrong["input"]), "reason": reason}
    )


def quoted(value: object) -> str:
    """Return a value as a message quotes it: its beginning, with escapes for what cannot be printed."""
    text = str(value)
    return repr(text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…")


def types_in(text: str) -> tuple[MediumType, ...]:
    """Return the types in a comma-separated list. Raises InvalidSetting for a word that is none."""
    names = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = sorted(set(names) - set(MediumType))
    if unknown:
        known = [str(one) for one in MediumType]
        raise InvalidSetting("crawler.settings.media_type", text=quoted(unknown[0]), known=known)
    return tuple(kind for kind in MediumType if kind in names)


def max_bytes(kind: str, max_video_mb: int) -> int:
    """Return the most bytes a file of this type may have, as received and as unpacked."""
    sizes = {
        MediumType.AUDIO: MAX_AUDIO_BYTES,
        MediumType.VIDEO: max_video_mb * MEGABYTE,
        MediumType.STYLE: MAX_STYLE_BYTES,
    }
    return sizes.get(MediumType(kind), MAX_IMAGE_BYTES)
