"""The archive as feeds, for any reader: Atom and JSON Feed, of an account, a kind, a search, or all."""

from web.feeds.routes import feeds_router

__all__ = ["feeds_router"]
