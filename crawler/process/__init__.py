"""The crawl as a process of its own: its start, and the events it reports."""
