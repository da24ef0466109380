"""The archive for people: pages that need no script, in Chinese and English."""

from archive.web.pages.failure import say_as_suits
from archive.web.pages.router import pages_router

__all__ = ["pages_router", "say_as_suits"]
