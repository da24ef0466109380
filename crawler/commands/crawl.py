"""`scrapy crawl` with an exit code that says how the run went."""

import argparse
import os
import signal
from functools import partial

from scrapy.commands import crawl
from scrapy.exceptions import UsageError

from archive.db.settings import ArchiveSettings
from archive.system.catalogues import process_language
from archive.system.child_processes import ParentWatch
from crawler.cassettes.cassette import CassetteError, cassette_from
from crawler.download.middlewares import Origin, OriginError
from crawler.run_stats import EXIT_CODES, VERDICT
from crawler.worker.pool import fork_workers, workers_of


class Command(crawl.Command):
    """Scrapy's own command, whose exit code would be 0 whatever happened."""

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run the spider, and turn the verdict on its run into the exit code."""
        if len(args) != 1:
            raise UsageError("give the name of one spider")
        self._check_settings()
        assert self.crawler_process is not None  # noqa: S101 - Scrapy has set it
        crawler = self._create_crawler(args[0])
        fork_workers(ArchiveSettings(), workers_of(crawler.settings))
        # Whoever passed a pipe to watch made this the leader of a group: worker and browser end with it.
        ParentWatch.from_environment(partial(os.killpg, 0, signal.SIGKILL))
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
