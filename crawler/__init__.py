"""The crawler: a Scrapy project that fetches posts, media and listings, and parses pages."""
