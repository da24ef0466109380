"""Who may use the embedded Postgres: the system user it runs as, its socket's folder, its rules of access.

Nobody but root and the owner of the data folder may connect: the socket lies in a folder of mode 0700, and
Postgres asks the kernel who connects (`peer`). Those two may connect as any role of the database.
"""

import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from archive.domain.errors import DatabaseUnavailable
from archive.system.files import FOLDER_MODE, make_private_folder

SERVER_ACCOUNT = "mparchive-db"  # what root starts the server as: Postgres refuses to run as root

ADD_ACCOUNT_TIMEOUT = 60  # seconds; useradd waits for others that change /etc/passwd

PORT = 5432  # no port of the network: a part of the socket's name

SOCKET = f".s.PGSQL.{PORT}"

MAX_SOCKET_PATH = 103  # bytes; macOS has room for 104 with the closing NUL, Linux for 108

# Any other character would have to be escaped in addresses, in lists of folders or in a shell.
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")

_OTHERS = 0o077  # the permissions of group and others

_MAP = "mparchive"

_RULES = f"""\
# Written by mparchive each time it starts the server: changes are lost.
local all         all peer map={_MAP}
local replication all peer map={_MAP}
"""

_USERS = "# Written by mparchive each time it starts the server: changes are lost.\n"


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that the server runs as."""

    name: str
    uid: int
    gid: int


def server_account(data: Path) -> Account:
    """Return the user to run the server of this data folder as: for root, the folder's owner.

    For a folder that does not exist yet, root makes a system user. Raises DatabaseUnavailable where the user
    has no name, which Postgres needs, or cannot be made; OSError.
    """
    if os.geteuid() != 0:
        return _account(os.geteuid())
    with suppress(FileNotFoundError):
        owner = data.stat().st_uid
        if owner != 0:
            return _account(owner)
    return _made_account()


def _account(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise DatabaseUnavailable("archive.embedded.user_without_name", uid=uid) from None
    return Account(entry.pw_name, uid, entry.pw_gid)


def _made_account() -> Account:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    failure = ""
    with suppress(KeyError):
        return _account(pwd.getpwnam(SERVER_ACCOUNT).pw_uid)
    try:
        subprocess.run(  # noqa: S603 - a constant
            [*command, SERVER_ACCOUNT],
            check=True,
            capture_output=True,
            text=True,
            timeout=ADD_ACCOUNT_TIMEOUT,
        )
    except subprocess.CalledProcessError as error:
        failure = str(error.stderr).strip().partition("\n")[0]
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    with suppress(KeyError):  # also where another process has made it meanwhile
        return _account(pwd.getpwnam(SERVER_ACCOUNT).pw_uid)
    raise DatabaseUnavailable("archive.embedded.no_system_user", user=SERVER_ACCOUNT, reason=failure)


def command_prefix(account: Account, needed: Sequence[Path]) -> list[str]:
    """Return the words before a command that let root run it as the account; none for an ordinary user.

    Where the account may not pass the folders above what it needs, it gets the capability to do so: no folder
    is opened to others. Raises DatabaseUnavailable where that is impossible.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DatabaseUnavailable("archive.embedded.no_setpriv")
    prefix = [setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    closed = next((folder for path in needed if (folder := _closed_above(path, account))), None)
    if closed is None:
        return prefix
    capability = _capability(closed, account)
    return [*prefix, f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]


def _closed_above(path: Path, account: Account) -> Path | None:
    """Return the first folder above the path that the account may not pass."""
    for folder in reversed(path.parents):
        found = folder.stat()
        owns, shares = found.st_uid == account.uid, found.st_gid == account.gid
        needed = stat.S_IXUSR if owns else stat.S_IXGRP if shares else stat.S_IXOTH
        if not found.st_mode & needed:
            return folder
    return None


def _capability(closed: Path, account: Account) -> str:
    """Prefer reading everywhere; containers give root no such capability, but writing everywhere."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    for bit, name in ((2, "dac_read_search"), (1, "dac_override")):
        if effective >> bit & 1:
            return name
    raise DatabaseUnavailable("archive.embedded.folder_closed", user=account.name, folder=str(closed))


def socket_folder(data: Path, account: Account) -> Path:
    """Return the private folder for the socket: the data folder, or one with a short path, made if need be.

    Raises DatabaseUnavailable when there is none.
    """
    if _fits(data):
        return data
    name = f"{_MAP}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    # The first is one that no other user can write to, so that nobody takes the name before us.
    first = Path("/run") if os.geteuid() == 0 else user_cache_path("mparchive")
    candidates = [parent / name for parent in (first, Path(tempfile.gettempdir()))]
    for folder in filter(_fits, candidates):
        with suppress(OSError):  # then the next one
            make_private_folder(folder)
            if is_private(folder, account):
                os.chown(folder, account.uid, account.gid, follow_symlinks=False)
                return folder
    raise DatabaseUnavailable("archive.embedded.no_socket_folder", folder=str(candidates[-1]))


def _fits(folder: Path) -> bool:
    path = str(folder)
    return bool(_PLAIN.fullmatch(path)) and len(path) + len("/") + len(SOCKET) <= MAX_SOCKET_PATH


def is_private(folder: Path, account: Account) -> bool:
    """Whether this is a folder, of the account or of ourselves, that nobody else may enter."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_ours = found.st_uid in (account.uid, os.geteuid())
    return stat.S_ISDIR(found.st_mode) and is_ours and not found.st_mode & _OTHERS


def make_private(folder: Path, account: Account) -> None:
    """Close a folder of the account or of ourselves to others. Raises DatabaseUnavailable for any other."""
    with suppress(OSError):
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid in (account.uid, os.geteuid()):
            folder.chmod(FOLDER_MODE)
            return
    raise DatabaseUnavailable("archive.embedded.socket_of_another_user", folder=str(folder))


def has_rules(data: Path, account: Account) -> bool:
    """Whether the rules of access are ours."""
    try:
        return all((data / name).read_bytes() == content for name, content in _files(account).items())
    except FileNotFoundError:
        return False


def write_rules(data: Path, account: Account) -> None:
    """Write the rules of access, over any that the folder has. Raises OSError."""
    data.chmod(FOLDER_MODE)
    for name, content in _files(account).items():
        handle, unfinished = tempfile.mkstemp(dir=data, prefix=f".{name}.")  # with mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), account.uid, account.gid)
        Path(unfinished).replace(data / name)


def _files(account: Account) -> dict[str, bytes]:
    """Content by name. The account and root may connect as any role."""
    names = {account.name}
    with suppress(KeyError):
        names.add(pwd.getpwuid(0).pw_name)
    users = _USERS + "".join(f'{_MAP} "{name}" all\n' for name in sorted(names))
    return {"pg_ident.conf": users.encode(), "pg_hba.conf": _RULES.encode()}
