"""Backups: the whole archive in one file, and back into an empty place (docs/backup.md)."""

from archive.backup.backup_file import Backup, BackupDamaged, BackupError, Manifest, NotEmpty, opened
from archive.backup.restore import restore
from archive.backup.write import write_backup

__all__ = [
    "Backup",
    "BackupDamaged",
    "BackupError",
    "Manifest",
    "NotEmpty",
    "opened",
    "restore",
    "write_backup",
]
