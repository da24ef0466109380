"""Tasks of the worker process for media: it checks a download by decoding it, and stores the file."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from archive.domain.messages import Message
from archive.domain.outcomes import MediumOutcome, MediumType
from archive.repository.media import (
    DueMedium,
    StoredFile,
    due_media,
    give_up_expired,
    is_cover,
    lock_files_for_writing,
    record_media_failure,
    store_file,
)
from archive.storage.media_files import keep_small_cover
from archive.system.child_processes import memory_limit
from crawler.media.content import Content, NotMedium, begins_as_page
from crawler.media.validate import (
    audio_content,
    ends_between_rules,
    image_content,
    style_content,
    video_content,
)
from crawler.parse.page import classify
from crawler.parse.response import (
    MAX_PAGE_BYTES,
    DamagedResponse,
    FetchedPage,
    OversizedResponse,
    header,
    unpack,
    unpacked_body,
)
from crawler.pipelines.base import MediaDownload
from crawler.redaction import scrub_log
from crawler.worker import tasks

# 320 MB of pixels, half as much again for a progressive JPEG's coefficients, and room for the decoder.
CHECK_MEMORY = 1024 * 1024 * 1024

CHECK_TIME = 120.0  # seconds to decode and store one file; a large video to a remote storage takes one minute

FATAL = "crawler.media.kills"  # the message code for a file that kills or hangs the process checking it

_TOO_MANY_REQUESTS = 429

_CHECKS: dict[str, Callable[[bytes], Content]] = {
    MediumType.IMAGE: image_content,
    MediumType.AUDIO: audio_content,
    MediumType.VIDEO: video_content,
    MediumType.STYLE: style_content,
}

_STYLE_TYPES = ("", "text/css")  # declared types; browsers apply no style sheet that is declared another


@dataclass(frozen=True, slots=True)
class MediaResult:
    """The result of a download. `blocks`: the host refuses us, and is to get no more requests."""

    outcome: MediumOutcome
    reason: Message | None = None
    media_type: str = ""
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class DownloadFailure:
    """A medium without a file, and why; `reason` holds no secrets."""

    medium_id: int
    outcome: MediumOutcome
    reason: Message


def due_files(run_id: int | None, limit: int, types: Collection[str], now: datetime) -> list[DueMedium]:
    """Return the media to download now: those of the posts seen in the run, or all that are due."""

    def read(session: Session) -> list[DueMedium]:
        give_up_expired(session, now)
        return due_media(session, now, limit, types=types, run_id=run_id)

    return tasks.in_transaction(read)


def record_missing(failures: Sequence[DownloadFailure], now: datetime) -> None:
    """Record media without a file, each in its own transaction: pages lock media in another order."""
    for failure in failures:
        work = partial(
            record_media_failure,
            medium_id=failure.medium_id,
            outcome=failure.outcome,
            reason=failure.reason.dump(),
            now=now,
        )
        tasks.in_transaction(work)


def store_or_record(download: MediaDownload, now: datetime) -> MediaResult:
    """Store one file, or record why there is none."""
    result = store_download(download, now)
    if result.outcome is not MediumOutcome.KEPT and result.reason:
        record_missing([DownloadFailure(download.medium.id, result.outcome, result.reason)], now)
    return result


def store_download(download: MediaDownload, now: datetime) -> MediaResult:
    """Store one file that was received at `now`, if it is what it should be; otherwise change nothing."""
    checked = _check(download)
    if isinstance(checked, MediaResult):
        return checked
    body, content = checked
    digest = hashlib.sha256(body).digest()
    medium = download.medium

    def store(session: Session) -> bool:
        lock_files_for_writing(session)
        path = tasks.media_folder().put(body, digest, content.suffix)
        file = StoredFile(digest, len(body), content.media_type, content.width, content.height, path)
        store_file(session, medium.id, file, now, medium.url)
        return is_cover(session, medium.id)

    def store_small(session: Session) -> None:
        lock_files_for_writing(session)
        if is_cover(session, medium.id):  # it may have been forgotten meanwhile
            keep_small_cover(tasks.media_folder(), body, digest)

    if tasks.in_transaction(store):  # the image is stored, whatever comes of its small form
        with memory_limit(CHECK_MEMORY):
            tasks.in_transaction(store_small)
    return MediaResult(MediumOutcome.KEPT, media_type=content.media_type)


def _check(download: MediaDownload) -> tuple[bytes, Content] | MediaResult:
    """Return the body and what it is, or why it is not stored."""
    response = download.response
    try:
        body = unpacked_body(response, download.max_bytes)
        if refusal := _refusal(response, body, download.medium):
            return refusal
        with memory_limit(CHECK_MEMORY):
            content = _CHECKS[download.medium.type](body)
            if download.medium.type == MediumType.STYLE:
                _check_style_response(response, body)
        return body, content
    except (OversizedResponse, NotMedium) as error:
        return MediaResult(MediumOutcome.REFUSED, error.message)
    except DamagedResponse as error:
        return MediaResult(MediumOutcome.FAILED, error.message)


def _check_style_response(response: FetchedPage, body: bytes) -> None:
    """Raise NotMedium for a style sheet that no browser applies, DamagedResponse for one that is cut off."""
    declared = header(response.headers, "content-type").partition(";")[0].strip().lower()
    if declared not in _STYLE_TYPES:
        raise NotMedium("crawler.media.not_declared_style", declared=declared[:100])
    if response.ended_openly and not ends_between_rules(body):
        raise DamagedResponse("crawler.media.cut_off")


def _refusal(response: FetchedPage, body: bytes, medium: DueMedium) -> MediaResult | None:
    """Return the result for a response that is no file at all."""
    if response.status == _TOO_MANY_REQUESTS:
        reason = Message("crawler.media.too_many_requests")
        return MediaResult(MediumOutcome.FAILED, reason, blocks=True)
    if begins_as_page(body) and (challenge := _challenge(response)):
        return MediaResult(MediumOutcome.FAILED, challenge, blocks=True)
    if 300 <= response.status < 400:
        target = scrub_log(header(response.headers, "location")[:200])
        return MediaResult(MediumOutcome.REFUSED, Message("crawler.media.redirected", {"address": target}))
    failure = _failure(response, medium)
    return MediaResult(MediumOutcome.FAILED, failure) if failure else None


def _failure(response: FetchedPage, medium: DueMedium) -> Message | None:
    if response.status == 403 and medium.type == MediumType.VIDEO:
        return Message("crawler.media.expired")
    if response.status != 200:
        return Message("crawler.media.status", {"status": response.status})
    is_checked_later = medium.type in (MediumType.IMAGE, MediumType.STYLE)  # by decoding it
    if response.ended_openly and not is_checked_later:
        return Message("crawler.media.cut_off")
    return None


def _challenge(response: FetchedPage) -> Message | None:
    """Return a reason when the page that came instead of a file asks us to stop; None for any other page."""
    try:
        outcome = classify(unpack(response, MAX_PAGE_BYTES)).outcome
    except DamagedResponse:
        return None
    return Message(f"crawler.media.blocked.{outcome}") if outcome.blocks else None
