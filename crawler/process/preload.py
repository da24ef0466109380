"""The modules that every crawl needs, imported once by the process that crawls are forked from.

None of them starts a thread, installs a reactor or reads the environment, as crawler.settings does.
"""

import gc
import importlib
import signal

MODULES = (
    "archive.db.embedded_server",
    "crawler.commands.crawl",
    "crawler.download.handler",
    "crawler.download.middlewares",
    "crawler.extensions",
    "crawler.log",
    "crawler.pipelines.media",
    "crawler.pipelines.posts",
    "crawler.pipelines.media",
    "crawler.spiders.discover",
    "crawler.spiders.media",
    "crawler.spiders.posts",
    "scrapy.cmdline",
    "scrapy.core.engine",
    "scrapy.crawler",
    "scrapy.extensions.throttle",
)

signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever starts a crawl stops it, also on Ctrl-C
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

gc.disable()  # walking the modules again and again, where nothing is garbage, is a fifth of their import
for module in MODULES:
    importlib.import_module(module)
gc.freeze()  # and what every crawl shares is neither walked nor copied in any of them
gc.enable()
