"""The processes of one running Chromium: what they weigh, and an end for those that do not end."""

import os
import signal
from contextlib import suppress

import psutil
from playwright.async_api import Browser


class BrowserProcess:
    """Chromium's main process and those it started; the system kills them as one group."""

    def __init__(self, pid: int):
        self.pid = pid

    @classmethod
    async def of(cls, browser: Browser) -> "BrowserProcess":
        """The process behind a connection; raises Playwright's errors."""
        session = await browser.new_browser_cdp_session()
        told = await session.send("SystemInfo.getProcessInfo")
        return cls(next(one["id"] for one in told["processInfo"] if one["type"] == "browser"))

    def weight(self) -> int:
        """Bytes of memory that are the browser's alone; 0 once it has ended."""
        found = 0
        with suppress(psutil.Error):
            main = psutil.Process(self.pid)
            for process in (main, *main.children(recursive=True)):
                with suppress(psutil.Error):
                    found += _own(process)
        return found

    def kill(self) -> None:
        """End the whole group at once; nothing when it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(self.pid), signal.SIGKILL)


def _own(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))
