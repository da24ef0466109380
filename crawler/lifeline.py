"""A crawl whose parent was killed ends too: its parent holds the other end of a pipe."""

import os
import signal
import threading

from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

from crawler.protocol import LIFELINE_VARIABLE


class Lifeline:
    """Waits for the end of the pipe, and then kills the crawl's whole process group.

    The parent made the group, so the crawl, its worker and its browser's driver are all that is in it.
    """

    def __init__(self, descriptor: int):
        threading.Thread(target=self._watch, args=(descriptor,), daemon=True).start()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Lifeline":
        """Scrapy's way in; not configured when nobody holds the other end."""
        descriptor = os.environ.get(LIFELINE_VARIABLE, "")
        if not descriptor.isdecimal():
            raise NotConfigured
        return cls(int(descriptor))

    @staticmethod
    def _watch(descriptor: int) -> None:
        while os.read(descriptor, 1):
            pass
        os.killpg(0, signal.SIGKILL)
