"""How large a file of each type may be, as received and as unpacked."""

from archive.vocabulary import MediumType

MEGABYTE = 1024 * 1024
MAX_IMAGE_BYTES = 32 * MEGABYTE  # WeChat takes images of up to 10 MB
MAX_AUDIO_BYTES = 64 * MEGABYTE  # an hour at 128 kbit/s
DEFAULT_VIDEO_MEGABYTES = 256  # WeChat takes videos of up to 200 MB


def max_bytes(medium_type: str, max_video_megabytes: int) -> int:
    """The most bytes a file of this type may have."""
    sizes = {MediumType.AUDIO: MAX_AUDIO_BYTES, MediumType.VIDEO: max_video_megabytes * MEGABYTE}
    return sizes.get(MediumType(medium_type), MAX_IMAGE_BYTES)
