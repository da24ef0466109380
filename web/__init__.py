"""The archive over HTTP: the reading room, and its one door in, the inbox."""

from web.app import create_app
from web.auth import InboxSettings, ReadingSettings

__all__ = ["InboxSettings", "ReadingSettings", "create_app"]
