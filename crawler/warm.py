"""What every crawl imports, to be imported once by the process that crawls are forked from.

Nothing here starts a thread or installs a reactor, or reads the environment, as crawler.settings does.
"""

import importlib

MODULES = (
    "archive.embedded",
    "crawler.commands.crawl",
    "crawler.discovery.pipeline",
    "crawler.leaving",
    "crawler.lifeline",
    "crawler.media.pipeline",
    "crawler.middlewares",
    "crawler.pipelines",
    "crawler.report",
    "crawler.spiders.discover",
    "crawler.spiders.media",
    "crawler.spiders.posts",
    "crawler.transport",
    "scrapy.cmdline",
    "scrapy.core.engine",
    "scrapy.crawler",
    "scrapy.extensions.throttle",
)

for module in MODULES:
    importlib.import_module(module)
