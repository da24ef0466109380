"""The archive over HTTP. So far its one door in: the inbox."""

from archive.web.app import create_app
from archive.web.settings import InboxSettings

__all__ = ["InboxSettings", "create_app"]
