"""What a crawl and whoever starts it agree on. Imports nothing, so that a command starts without Scrapy."""

START_METHOD_VARIABLE = "MPARCHIVE_START_METHOD"  # of its worker processes; set by crawler.forked only

RUN_FINISHED = "action=run_finished"

PAGE_FETCHED = "action=fetched"

PAGE_FAILED = "action=failed"

SOURCE_TRIED = "action=source_tried"
