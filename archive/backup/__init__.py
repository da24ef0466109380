"""Write the archive to one file, and restore it (docs/how-to/back-up-and-restore.md)."""

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
