"""A bound on what one piece of work may allocate, for decoders that trust what a file says of itself."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from archive.domain.outcomes import MediumOutcome, MediumType
from archive.repository.media import (
    DueMedium,
    StoredFile,
    due_media,
    give_up_expired,
    record_media_failure,
    store_file,
)
from archive.system.memory_limit import memory_limit
from crawler.items import MediaDownload
from crawler.media.content import Content, NotMedium, is_page
from crawler.media.validate import audio_content, image_content, video_content
from crawler.parse.classify import classify
from crawler.parse.response import (
    MAX_PAGE_BYTES,
    DamagedAnswer,
    FetchedPage,
    OversizedAnswer,
    header,
    unpack,
    unpacked,
)
from crawler.redaction import scrub_log
from crawler.worker import tasks

# 320 MB of pixels, half as much again for a progressive JPEG's coefficients, and room for the decoder.
CHECK_MEMORY = 1024 * 1024 * 1024

CHECK_TIME = 120.0  # seconds to decode and store one file; a large video to a distant storage takes one

FATAL = "judging it killed or hung the process that did"

EXPIRED = "its address has expired; it is fetched again when the post is re-visited"

_TOO_MANY_REQUESTS = 429

_READERS: dict[str, Callable[[bytes], Content]] = {
    MediumType.IMAGE: image_content,
    MediumType.AUDIO: audio_content,
    MediumType.VIDEO: video_content,
}


@dataclass(frozen=True, slots=True)
class MediaVerdict:
    """What became of a medium. `blocks`: the host refuses us, and is to be left alone."""

    outcome: MediumOutcome
    reason: str = ""
    media_type: str = ""
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class DownloadFailure:
    """A medium without a file, and why; `reason` holds no secrets."""

    medium_id: int
    outcome: MediumOutcome
    reason: str


def due(run_id: int | None, limit: int, types: Collection[str], now: datetime) -> list[DueMedium]:
    """Media to download now: those of the posts seen in the run, or all that are due."""

    def ask(session: Session) -> list[DueMedium]:
        give_up_expired(session, now)
        return due_media(session, now, limit, types=types, run_id=run_id)

    return tasks.in_transaction(ask)


def note_misses(misses: Sequence[DownloadFailure], now: datetime) -> None:
    """Note media that gave no file."""
    for miss in misses:  # one a transaction: whoever stores pages takes media in another order
        noting = partial(
            record_media_failure, medium_id=miss.medium_id, outcome=miss.outcome, reason=miss.reason, now=now
        )
        tasks.in_transaction(noting)


def keep(download: MediaDownload, now: datetime) -> MediaVerdict:
    """Keep one file, or note why not."""
    verdict = take(download, now)
    if verdict.outcome is not MediumOutcome.KEPT:
        note_misses([DownloadFailure(download.medium.id, verdict.outcome, verdict.reason)], now)
    return verdict


def take(download: MediaDownload, now: datetime) -> MediaVerdict:
    """Keep one file that came at `now`, if it is what it should be; else the medium stays as it was."""
    found = _judged(download)
    if isinstance(found, MediaVerdict):
        return found
    body, content = found
    digest = hashlib.sha256(body).digest()
    path = tasks.media_folder().put(body, digest, content.suffix)
    kept = StoredFile(digest, len(body), content.media_type, content.width, content.height, path)
    medium = download.medium
    tasks.in_transaction(lambda session: store_file(session, medium.id, kept, now, medium.url))
    return MediaVerdict(MediumOutcome.KEPT, media_type=content.media_type)


def _judged(download: MediaDownload) -> tuple[bytes, Content] | MediaVerdict:
    answer = download.answer
    try:
        body = unpacked(answer, download.max_bytes)
        refused = _refusal(answer, body, download.medium)
        if refused:
            return refused
        with memory_limit(CHECK_MEMORY):
            return body, _READERS[download.medium.type](body)
    except (OversizedAnswer, NotMedium) as wrong:
        return MediaVerdict(MediumOutcome.REFUSED, str(wrong))
    except DamagedAnswer as damage:
        return MediaVerdict(MediumOutcome.FAILED, str(damage))


def _refusal(answer: FetchedPage, body: bytes, medium: DueMedium) -> MediaVerdict | None:
    """What an answer says that is no file at all."""
    if answer.status == _TOO_MANY_REQUESTS:
        return MediaVerdict(MediumOutcome.FAILED, "the server answered 429, too many requests", blocks=True)
    if is_page(body) and (asked := _challenge(answer)):
        return MediaVerdict(MediumOutcome.FAILED, asked, blocks=True)
    if 300 <= answer.status < 400:
        target = scrub_log(header(answer.headers, "location")[:200])
        return MediaVerdict(MediumOutcome.REFUSED, f"it is redirected to {target}, which is not followed")
    reason = _failure(answer, medium)
    return MediaVerdict(MediumOutcome.FAILED, reason) if reason else None


def _failure(answer: FetchedPage, medium: DueMedium) -> str:
    if answer.status == 403 and medium.type == MediumType.VIDEO:
        return EXPIRED
    if answer.status != 200:
        return f"the server answered {answer.status}"
    if answer.ended_openly and medium.type != MediumType.IMAGE:  # half an image is noticed when it is decoded
        return "the connection ended, perhaps before the end of the file"
    return ""


def _challenge(answer: FetchedPage) -> str:
    """Why a page that came instead of a file means that the server wants us to stop; else nothing."""
    try:
        reading: Any = classify(unpack(answer, MAX_PAGE_BYTES))
    except DamagedAnswer:
        return ""
    return f"the server answered with {reading.outcome}" if reading.outcome.blocks else ""
