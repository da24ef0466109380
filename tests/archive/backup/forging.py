"""Forged backups: a real one with members changed, whose manifest vouches for the changes."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

MANIFEST = "manifest.json"
Manifest = dict[str, Any]
Members = dict[str, bytes]
Change = Callable[[Manifest, Members], None]


def forge(backup: Path, path: Path, change: Change) -> Path:
    """Write a backup after `change` was applied to its manifest and members; its hashes fit again."""
    with ZipFile(backup) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    change(manifest, members)
    _vouch(manifest, members)
    with ZipFile(path, "w") as out:
        for name, content in members.items():
            out.writestr(name, content)
        out.writestr(MANIFEST, json.dumps(manifest))
    return path


def with_a_file_named(backup: Path, name: str, path: Path) -> None:
    """Write a backup with one media file of this name, for which its manifest vouches."""

    def change(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
        for file in manifest["media"]:
            del members[f"media/{file['path']}"]
        manifest["media"] = [{"path": name}]
        members[f"media/{name}"] = b"x"

    forge(backup, path, change)


def _vouch(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    if manifest.get("format", 1) == 1:
        manifest["members"] = [{"name": name, **_measured(content)} for name, content in members.items()]
        return
    for table in manifest["tables"]:
        table.update(_measured(members.get(f"tables/{table['name']}.copy", b"")))
    for file in manifest["media"]:
        file.update(_measured(members.get(f"media/{file['path']}", b"")))


def _measured(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
