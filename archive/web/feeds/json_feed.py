"""A feed as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""

import json
from typing import Any

from archive.web.feeds.entries import Entry, Feed, as_html

MEDIA_TYPE = "application/feed+json"


def write_json_feed(feed: Feed) -> bytes:
    """The feed's document."""
    document: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.address,
        "language": "zh-CN",
        "items": [_item(entry) for entry in feed.entries],
    }
    if feed.next:
        document["next_url"] = feed.next
    return json.dumps(document, ensure_ascii=False).encode()


def _item(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "url": entry.page,
        "external_url": entry.source,
        "title": entry.title,
        "content_html": as_html(entry.paragraphs),
        "date_published": entry.published.isoformat(timespec="seconds"),
        "date_modified": entry.updated.isoformat(timespec="seconds"),
        "authors": [{"name": entry.author}],
        "tags": [entry.kind] if entry.kind else [],
        "language": "zh-CN",
    }
