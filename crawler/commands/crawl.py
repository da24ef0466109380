"""`scrapy crawl` with an exit code that says how the run went."""

import argparse

from scrapy.commands import crawl
from scrapy.exceptions import UsageError

from archive.system.catalogues import process_language
from crawler.cassettes.cassette import CassetteError, cassette_from
from crawler.download.hosts import Origin, OriginError
from crawler.run_stats import EXIT_CODES, VERDICT


class Command(crawl.Command):
    """Scrapy's own command, whose exit code would be 0 whatever happened."""

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run the spider, and turn the verdict on its run into the exit code."""
        if len(args) != 1:
            raise UsageError("give the name of one spider")
        self._check_settings()
        assert self.crawler_process is not None  # noqa: S101 - Scrapy has set it
        crawler = self._create_crawler(args[0])
        self.crawler_process.crawl(crawler, **opts.spargs)
        self.crawler_process.start()
        verdict = crawler.stats.get_value(VERDICT, "failed") if crawler.stats else "failed"
        self.exitcode = EXIT_CODES.get(verdict, 1)

    def _check_settings(self) -> None:
        """Raise UsageError for what the download handler would otherwise refuse at every request."""
        assert self.settings is not None  # noqa: S101 - Scrapy has set it
        try:
            Origin(self.settings.get("LOOPBACK") or "")
            cassette_from(self.settings)
        except (OriginError, CassetteError) as error:
            raise UsageError(error.message.text(process_language()), print_help=False) from error
