"""Readers of input formats: dumps, lists, saved pages, WARC, WACZ and accounts."""
