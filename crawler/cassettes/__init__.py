"""Cassettes: recorded responses in vcrpy's file format, for Scrapy and for Chromium alike."""
