"""Recorded conversations in vcrpy's own format, for Scrapy and for Chromium alike."""

from crawler.cassettes.cassette import CassetteError, CassetteMiss, Recorded, Tape, tape_from

__all__ = ["CassetteError", "CassetteMiss", "Recorded", "Tape", "tape_from"]
