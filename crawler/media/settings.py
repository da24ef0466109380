"""Which media are downloaded, how fast and how large: what MPARCHIVE_MEDIA_TYPES and its like say."""

from typing import TYPE_CHECKING, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from archive.domain.errors import ArchiveError
from archive.domain.outcomes import MediumType

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_MEDIA = 20_000  # of one run: 33 hours at 6 s each; the rest stays due for the next

MEGABYTE = 1024 * 1024

MAX_IMAGE_BYTES = 32 * MEGABYTE  # WeChat takes images of up to 10 MB

MAX_AUDIO_BYTES = 64 * MEGABYTE  # an hour at 128 kbit/s

DEFAULT_VIDEO_MB = 256  # WeChat takes videos of up to 200 MB

LARGEST_VIDEO_MB = 500  # it costs thrice its size while it is handed over; at 2 GB Scrapy ends the crawl


class SettingError(ArchiveError):
    """The environment says something impossible; the message names each variable, one a line."""


class MediaSettings(BaseSettings):
    """Read from the environment; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True)

    media_types: str = "image"
    media_delay: float | None = Field(default=None, ge=0)  # seconds; None: as for pages
    max_video_mb: int = Field(default=DEFAULT_VIDEO_MB, ge=1, le=LARGEST_VIDEO_MB)

    @field_validator("media_types")
    @classmethod
    def _known(cls, words: str) -> str:
        types_in(words)
        return words

    @classmethod
    def read(cls) -> Self:
        """What the environment says; raises SettingError."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingError("\n".join(_words(wrong) for wrong in error.errors())) from None

    @property
    def types(self) -> tuple[MediumType, ...]:
        """The types of media that are downloaded."""
        return types_in(self.media_types)


def _words(wrong: "ErrorDetails") -> str:
    name = "_".join(map(str, wrong["loc"])).upper()
    return f"MPARCHIVE_{name} is {wrong['input']!r}: {wrong['msg']}"


def types_in(words: str) -> tuple[MediumType, ...]:
    """The types in a comma-separated list; raises ValueError for a word that is none."""
    names = [word.strip().lower() for word in words.split(",") if word.strip()]
    unknown = sorted(set(names) - set(MediumType))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(MediumType)}")
    return tuple(kind for kind in MediumType if kind in names)


def max_bytes(kind: str, max_video_mb: int) -> int:
    """The most bytes a file of this type may have, as received and as unpacked."""
    sizes = {MediumType.AUDIO: MAX_AUDIO_BYTES, MediumType.VIDEO: max_video_mb * MEGABYTE}
    return sizes.get(MediumType(kind), MAX_IMAGE_BYTES)
