"""A post as one page that needs nothing else: no script, no network, no server."""

from archive.offline.page import offline_page
from archive.offline.shown import ShownPost, shown_post

__all__ = ["ShownPost", "offline_page", "shown_post"]
