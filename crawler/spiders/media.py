"""The spider of media: it downloads the images (audios, videos) of posts, and the style sheets of pages."""

from collections.abc import Iterator
from typing import Any

import structlog
from scrapy import Request
from scrapy.http import Response
from scrapy.settings import BaseSettings

from archive.domain.messages import Message
from archive.domain.outcomes import STYLE_SHEETS, MediumOutcome
from archive.repository.media import DueMedium
from archive.system import clock
from crawler import log
from crawler.download.middlewares import may_hold_media
from crawler.media.settings import MAX_MEDIA, max_bytes, types_in
from crawler.pipelines.base import MediaDownload
from crawler.process.entry import PageDone
from crawler.redaction import scrub_message
from crawler.requests import MEDIUM, MediumNotRequested, host_of, is_style, medium_request
from crawler.spiders.base import HIGHEST_PRIORITY, ArchiveSpider
from crawler.worker import media_tasks, tasks

logger = structlog.get_logger("crawler")


class MediaSpider(ArchiveSpider):
    """`-a run=ID`: media of the posts that run saw, and style sheets; without: all that is due.

    It opens a run of its own.
    """

    name = "media"
    custom_settings = {"ITEM_PIPELINES": {"crawler.pipelines.media.MediaPipeline": 100}}  # noqa: RUF012 - Scrapy's

    def __init__(self, run: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._of_run = int(run) if run else None
        self._stopped_hosts: dict[str, str] = {}
        self._warned_of_gap = False

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """Send one request at a time, with the delay for media between two."""
        for name in ("CONCURRENT_REQUESTS", "CONCURRENT_REQUESTS_PER_DOMAIN"):
            settings.set(name, 1, priority=HIGHEST_PRIORITY)
        if settings.get("MEDIA_DELAY") is not None:
            settings.set("DOWNLOAD_DELAY", settings.getfloat("MEDIA_DELAY"), priority=HIGHEST_PRIORITY)
        super().update_settings(settings)

    def may_ask(self, url: str) -> bool:
        """Allow WeChat's own hosts only."""
        return may_hold_media(url)

    def stopping_at(self, url: str) -> str:
        """Return why no more requests are sent to an address or its host; empty while they are."""
        return self.stopping or self._stopped_hosts.get(host_of(url), "")

    def stop_host(self, url: str, reason: str) -> None:
        """Send no more requests to the host of an address in this run."""
        if self._stopped_hosts.setdefault(host_of(url), reason) == reason:
            logger.warning("host stopped", action="host_stopped", host=host_of(url), reason=reason)

    def record(self, medium: DueMedium, outcome: MediumOutcome) -> None:
        """Count the outcome of a medium; that of a style sheet also apart, for it is no picture."""
        self.tally.record(medium.id, outcome, f"{STYLE_SHEETS}_{outcome}" if is_style(medium) else "")

    def cassette_missed(self) -> None:
        """Warn once and continue: older cassettes hold no media."""
        if not self._warned_of_gap:
            logger.warning("the cassette lacks media of these posts", action="not_recorded")
        self._warned_of_gap = True

    async def requests(self) -> list[Request]:
        """Return a request for each medium that may be requested; the others are recorded as refused."""
        await self.archive.warm_up()
        now = clock.now()
        arguments = {"of_run": self._of_run} if self._of_run else {}
        self.run_id = await self.archive.call(tasks.open_run, "media", arguments, now)
        types = types_in(self.settings["MEDIA_TYPES"])
        due = await self.archive.call(media_tasks.due_files, self._of_run, MAX_MEDIA, types, now)
        requests, failures = [], []
        for medium in due:
            try:
                requests.append(medium_request(medium, self._max_bytes(medium)))
            except MediumNotRequested as refusal:
                failures.append(self._refused(medium, scrub_message(refusal.message)))
        await self.archive.call(media_tasks.record_missing, failures, now)
        return requests

    def _max_bytes(self, medium: DueMedium) -> int:
        return max_bytes(medium.type, self.settings.getint("MAX_VIDEO_MB"))

    def _refused(self, medium: DueMedium, reason: Message) -> media_tasks.DownloadFailure:
        self.record(medium, MediumOutcome.REFUSED)
        log.page_failed(PageDone(self.tally.done, outcome=MediumOutcome.REFUSED, reason=reason.dump()))
        return media_tasks.DownloadFailure(medium.id, MediumOutcome.REFUSED, reason)

    def parse(self, response: Response, **_: Any) -> Iterator[MediaDownload]:
        """Yield the response for the pipeline, whatever it is."""
        assert response.request is not None  # noqa: S101 - Scrapy has set it
        medium = response.request.meta[MEDIUM]
        yield MediaDownload(medium, self.fetched_page(response), self._max_bytes(medium))
