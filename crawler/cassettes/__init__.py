"""Recorded conversations in vcrpy's own format, for Scrapy and for Chromium alike."""

from crawler.cassettes.persister import CassetteError
from crawler.cassettes.tape import CassetteMiss, Recorded, Tape, tape_from

__all__ = ["CassetteError", "CassetteMiss", "Recorded", "Tape", "tape_from"]
