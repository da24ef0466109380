"""Search: the posts that contain the words, on core Postgres; docs/reference/search.md says what "contain" means."""

from archive.repository.search_index import check, index_posts, rebuild
from archive.search.engine import MAX_LIMIT, Found, Hit, Order, search
from archive.search.query import Query, SearchError, parse

__all__ = [
    "MAX_LIMIT",
    "Found",
    "Hit",
    "Order",
    "Query",
    "SearchError",
    "check",
    "index_posts",
    "parse",
    "rebuild",
    "search",
]
