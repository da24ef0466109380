"""Worker processes that parse and store what a crawl fetches, and the calls into them."""
