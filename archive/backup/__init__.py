"""Backups: write the whole archive to one file, and restore it into an empty archive (docs/backup.md)."""

from archive.backup.file import Backup, BackupDamaged, BackupError, NotEmpty, opened
from archive.backup.manifest import AnyManifest, Manifest
from archive.backup.restore import restore
from archive.backup.write import write_backup

__all__ = [
    "AnyManifest",
    "Backup",
    "BackupDamaged",
    "BackupError",
    "Manifest",
    "NotEmpty",
    "opened",
    "restore",
    "write_backup",
]
