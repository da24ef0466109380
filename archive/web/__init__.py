"""The archive over HTTP: the reading room, and its one door in, the inbox."""

from archive.web.app import create_app
from archive.web.settings import InboxSettings, ReadingSettings

__all__ = ["InboxSettings", "ReadingSettings", "create_app"]
