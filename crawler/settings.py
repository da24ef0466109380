"""Scrapy's settings for this project, the only module that reads the crawl's environment.

Each bound can be set as MPARCHIVE_<NAME> in the environment, or with Scrapy's own -s NAME=VALUE.
"""

import re
import sys

from pydantic import Field, field_validator

from archive.system.catalogues import process_language
from archive.system.log import LEVELS
from crawler.browser.launch_options import launch_options
from crawler.media.settings import MAX_SECONDS, InvalidSetting, MediaSettings, SettingError, quoted
from crawler.parse.response import MAX_PAGE_BYTES


class CrawlEnvironment(MediaSettings):
    """The settings that the environment may change."""

    download_delay: float = Field(default=6.0, ge=0, le=MAX_SECONDS)  # people report 2 s unsafe, 5 s safe
    concurrency: int = Field(default=1, ge=1, le=32)
    # enough for a 4 MB page over a bad connection
    download_timeout: float = Field(default=90.0, gt=0, le=MAX_SECONDS)
    retry_times: int = Field(default=3, ge=0, le=10)
    workers: int = Field(default=2, ge=1, le=8)  # never more than requests at a time
    loopback: str = ""
    cassette: str = ""
    cassette_mode: str = ""
    chromium: str = ""
    chromium_sandbox: bool = True  # false in the image: docs/explanation/adr/container.md
    render_timeout: float = Field(
        default=60.0, ge=1, le=600
    )  # seconds; a page takes two, with the browser's start
    browser_hosts: str = ""  # hosts whose scripts the browser may load besides mp.weixin.qq.com's
    log_level: str = "INFO"

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in LEVELS:
            raise InvalidSetting("crawler.settings.media_type", text=quoted(value), known=LEVELS)
        return value.upper()

    @field_validator("browser_hosts")
    @classmethod
    def _host_names(cls, value: str) -> str:
        hosts = [host.strip() for host in value.split(",") if host.strip()]
        wrong = next((host for host in hosts if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host)), "")
        if wrong:
            raise InvalidSetting("crawler.settings.not_host", text=quoted(wrong))
        return ",".join(hosts)


def _from_environment() -> CrawlEnvironment:
    try:
        return CrawlEnvironment.read()
    except SettingError as error:
        sys.stderr.write(f"{error.message.text(process_language())}\n")
        raise SystemExit(2) from None


_environment = _from_environment()

BOT_NAME = "mparchive"

SPIDER_MODULES = ["crawler.spiders"]

COMMANDS_MODULE = "crawler.commands"

# The name of a plain desktop browser gets the whole page; nothing else of a browser is imitated.
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)

DEFAULT_REQUEST_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "zh-CN,zh;q=0.9",  # otherwise notices come in English
    "Accept-Encoding": "gzip",  # it can be checked for completeness, and Python has it built in
}

COOKIES_ENABLED = False

REFERRER_POLICY = "no-referrer"

# Every address comes from a person or from the account itself: this is no crawler that follows links.
ROBOTSTXT_OBEY = False

# Politeness: one request at a time, 5.1 to 6.9 s apart; AutoThrottle only ever makes it slower.
DOWNLOAD_DELAY = _environment.download_delay

DOWNLOAD_DELAY_JITTER = 0.15

CONCURRENT_REQUESTS = _environment.concurrency

CONCURRENT_REQUESTS_PER_DOMAIN = _environment.concurrency

AUTOTHROTTLE_ENABLED = DOWNLOAD_DELAY > 0

AUTOTHROTTLE_START_DELAY = DOWNLOAD_DELAY

AUTOTHROTTLE_MAX_DELAY = 60.0

# Bounds of one download.
DOWNLOAD_TIMEOUT = _environment.download_timeout

DOWNLOAD_MAXSIZE = MAX_PAGE_BYTES

DOWNLOAD_WARNSIZE = 8 * 1024 * 1024

DOWNLOAD_FAIL_ON_DATALOSS = True

DOWNLOAD_VERIFY_CERTIFICATES = True

DNS_TIMEOUT = 20

# Of media (crawler.spiders.media): the types, and the delay.
MEDIA_TYPES = _environment.media_types

MEDIA_DELAY = _environment.media_delay

MAX_VIDEO_MB = _environment.max_video_mb

# Transient failures are retried, with growing pauses (crawler.download.middlewares).
RETRY_TIMES = _environment.retry_times

RETRY_HTTP_CODES = [408, 429, 500, 502, 503, 504, 522, 524]

RETRY_GIVE_UP_LOG_LEVEL = "WARNING"

REDIRECT_MAX_TIMES = 5

METAREFRESH_ENABLED = False

HTTPERROR_ALLOW_ALL = True  # every response is stored, whatever its status

# The worker unpacks (crawler.parse.response): in the reactor it would cost more than the download.
COMPRESSION_ENABLED = False

CONCURRENT_ITEMS = 2  # a response is one item; Scrapy starts this many tasks for each

WORKERS = _environment.workers

SCRAPER_SLOT_MAX_ACTIVE_SIZE = 24 * 1024 * 1024  # received bytes waiting for the worker; then no new request

DOWNLOAD_HANDLERS = {
    "https": "crawler.download.handler.DownloadHandler",
    "http": None,
    "data": None,
    "file": None,
    "ftp": None,
    "s3": None,
}

LOOPBACK = _environment.loopback

CASSETTE = _environment.cassette

CASSETTE_MODE = _environment.cassette_mode

DOWNLOADER_MIDDLEWARES = {
    "crawler.download.middlewares.DropUnwantedRequests": 50,
    "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
    "crawler.download.middlewares.RetryAfterMiddleware": 550,
    "scrapy.downloadermiddlewares.redirect.RedirectMiddleware": None,
    "crawler.download.middlewares.SameHostRedirect": 600,
}

ITEM_PIPELINES = {
    "crawler.pipelines.posts.PostPipeline": 100,  # store, parse, decide: one step, in the worker
}

EXTENSIONS = {
    "crawler.log.UnifiedLog": 0,
    "crawler.extensions.RunVerdict": 0,
    "crawler.extensions.DrainOnStop": 0,
    "scrapy.extensions.telnet.TelnetConsole": None,
    "scrapy.extensions.remote_control.RemoteControl": None,
}

TELNETCONSOLE_ENABLED = False

REMOTE_CONTROL_ENABLED = False

REQUEST_FINGERPRINTER_CLASS = "crawler.requests.AddressFingerprinter"

# Chromium, for the few posts whose body only a script renders (crawler.browser).
PAGES_PER_BROWSER = 50  # then a new one is started: Chromium's memory only grows

RENDER_TIMEOUT = _environment.render_timeout

BROWSER_HOSTS = _environment.browser_hosts

PLAYWRIGHT_LAUNCH_OPTIONS = launch_options(_environment.chromium, _environment.chromium_sandbox)

PLAYWRIGHT_BROWSER_TYPE = "chromium"

PLAYWRIGHT_BROWSER_PROVIDER = "crawler.browser.renderer.LazyChromium"

PLAYWRIGHT_PROCESS_REQUEST_HEADERS = None

PLAYWRIGHT_DEFAULT_NAVIGATION_TIMEOUT = 30_000  # milliseconds

PLAYWRIGHT_MAX_PAGES_PER_CONTEXT = 1

LOG_VERSIONS: list[str] = []

LOG_LEVEL = _environment.log_level

LOG_FORMATTER = "crawler.log.QuietFormatter"

LOGSTATS_INTERVAL = 60.0

STATS_DUMP = False  # the last log line of a run has what matters

MEMUSAGE_WARNING_MB = 1024

MEMUSAGE_LIMIT_MB = 2048
