"""Rendering of posts in Chromium, through scrapy-playwright."""
