"""What every crawl imports, to be imported once by the process that crawls are forked from.

Nothing here starts a thread or installs a reactor, or reads the environment, as crawler.settings does.
"""

import importlib

MODULES = (
    "archive.db.embedded_postgres",
    "crawler.commands.crawl",
    "crawler.pipelines.sources",
    "crawler.extensions",
    "crawler.extensions",
    "crawler.pipelines.media",
    "crawler.download.middlewares",
    "crawler.pipelines.posts",
    "crawler.log",
    "crawler.spiders.discover",
    "crawler.spiders.media",
    "crawler.spiders.posts",
    "crawler.download.handler",
    "scrapy.cmdline",
    "scrapy.core.engine",
    "scrapy.crawler",
    "scrapy.extensions.throttle",
)

for module in MODULES:
    importlib.import_module(module)
