"""Render a post as one page that needs nothing else: no script, no network, no server."""

from archive.rendering.page import ShownPost, offline_page, shown_post

__all__ = ["ShownPost", "offline_page", "shown_post"]
