"""Backups: write the whole archive to one file, and restore it into an empty archive (docs/backup.md)."""

from archive.backup.backup_file import (
    AnyManifest,
    Backup,
    BackupDamaged,
    BackupError,
    Manifest,
    NotEmpty,
    opened,
)
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
