"""`mparchive doctor`: check what this machine has and lacks, and say what to do about it."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from archive.db.engine import engine_at
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import HOST
from archive.domain.errors import MessageError, error_message
from archive.domain.messages import Message
from archive.reports.status import database_facts
from archive.system import clock
from crawler.browser.launch_options import REMEDY, find_chromium
from mparchive.commands.config import unknown_variables_beside, valid_message
from mparchive.console import label, localized, out, print_json, table_with
from mparchive.errors import Exit
from scheduler.config import Config, ConfigError, Limits, find_config, load_config

CONNECT_TIMEOUT = 5.0  # seconds for the connection to WeChat's server

PROGRAM_TIMEOUT = 20  # seconds for a program that prints its version

HTTPS = 443

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found: `note` needs no action, `problem` has a remedy where one is known."""

    subject: str
    state: State
    detail: Message
    remedy: Message | None = None


def doctor(as_json: bool) -> Exit:
    """Print what is there and what is missing, each with its remedy; nothing is changed or installed."""
    results = [result for check in _CHECKS for result in _guarded(check)]
    if as_json:
        print_json([_as_json(one) for one in results])
    else:
        table = table_with("", "", "")
        for one in results:
            detail = localized(one.detail) + (f"\n→ {localized(one.remedy)}" if one.remedy else "")
            subject = label("mparchive.doctor.subject.", one.subject)
            table.add_row(label("mparchive.doctor.state.", one.state), subject, detail)
        out.print(table)
    return Exit.PARTLY_FAILED if any(one.state == "problem" for one in results) else Exit.DONE


def _as_json(one: CheckResult) -> dict[str, str | None]:
    remedy = localized(one.remedy) if one.remedy else None
    return {"subject": one.subject, "state": one.state, "detail": localized(one.detail), "remedy": remedy}


def _guarded(check: Callable[[], Iterator[CheckResult]]) -> Iterator[CheckResult]:
    """Yield a check's results; a check that fails in an unforeseen way is a result, and the others go on."""
    try:
        yield from check()
    except (MessageError, OSError, ValueError) as error:
        yield CheckResult(check.__name__.removeprefix("_check_"), "problem", error_message(error))


def _check_program() -> Iterator[CheckResult]:
    params = {"version": version("mparchive"), "python": sys.version.split()[0]}
    yield CheckResult("program", "ok", Message("mparchive.doctor.program", params))


def _check_configuration() -> Iterator[CheckResult]:
    config: Config | None = None
    try:
        path = find_config()
        config = load_config(path)
    except ConfigError as error:
        state: State = "note" if error.message.code == "scheduler.config.none" else "problem"
        yield CheckResult("configuration", state, error.message)
    else:
        yield CheckResult("configuration", "ok", valid_message(path, config))
    for message in unknown_variables_beside(config):
        yield CheckResult("configuration", "problem", message)


def _check_postgres() -> Iterator[CheckResult]:
    settings = ArchiveSettings()
    if settings.database_url:
        yield from _server_results(settings.database_url)
        return
    from archive.db.embedded_server import embedded_postgres  # noqa: PLC0415 - only without a server of one's own

    if not (settings.home / "postgres").exists():
        params = {"folder": settings.home / "postgres"}
        yield CheckResult("postgres", "note", Message("mparchive.doctor.not_yet", params))
        return
    with embedded_postgres(settings.home) as url:
        yield from _server_results(url)


def _server_results(url: str) -> Iterator[CheckResult]:
    engine = engine_at(url)
    try:
        found = database_facts(engine)
    except Exception as error:  # whatever the driver raises says why the server cannot be used
        detail = Message("mparchive.doctor.no_postgres", {"reason": error_message(error)})
        yield CheckResult("postgres", "problem", detail, Message("mparchive.doctor.check_url"))
        return
    finally:
        engine.dispose()
    yield CheckResult("postgres", "ok", Message("mparchive.doctor.postgres", {"version": found.version}))
    yield from (CheckResult("postgres", "problem", warning) for warning in found.warnings)
    yield _clock_result(found.newest_capture)


def _clock_result(newest: datetime | None) -> CheckResult:
    """Compare this machine's clock with the newest capture, which cannot have been made in the future."""
    now = clock.now()
    if newest and newest > now:
        detail = Message("mparchive.doctor.clock_behind", {"now": now, "newest": newest})
        return CheckResult("clock", "problem", detail, Message("mparchive.doctor.set_clock"))
    return CheckResult("clock", "ok", Message("mparchive.doctor.clock", {"now": now}))


def _check_chromium() -> Iterator[CheckResult]:
    path = find_chromium(os.environ.get("MPARCHIVE_CHROMIUM", "")) or _downloaded_chromium()
    if path is None or not Path(path).is_file():
        params = {"path": path or "-"}
        yield CheckResult("chromium", "problem", Message("mparchive.doctor.no_chromium", params), REMEDY)
        return
    shown = subprocess.run(  # noqa: S603 - the browser that crawls start
        [path, "--version"], capture_output=True, text=True, timeout=PROGRAM_TIMEOUT, check=False
    )
    if shown.returncode:
        reason = " ".join(shown.stderr.split()) or f"exit code {shown.returncode}"
        detail = Message("mparchive.doctor.chromium_fails", {"path": path, "reason": reason})
        yield CheckResult("chromium", "problem", detail, REMEDY)
        return
    params = {"path": path, "version": shown.stdout.strip()}
    yield CheckResult("chromium", "ok", Message("mparchive.doctor.chromium", params))


def _downloaded_chromium() -> str | None:
    """Return the place of the browser that Playwright downloads, whether it is there or not.

    None where Playwright's own program was left out, as in the image without Chromium.
    """
    spec = importlib.util.find_spec("playwright")
    places = map(Path, (spec.submodule_search_locations or ()) if spec else ())
    if not any((place / "driver").is_dir() for place in places):
        return None
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only without a Chromium of the system

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _check_fonts() -> Iterator[CheckResult]:
    program = shutil.which("fc-list")
    fonts = (
        subprocess.run(  # noqa: S603 - fontconfig's own program
            [program, ":lang=zh", "family"],
            capture_output=True,
            text=True,
            timeout=PROGRAM_TIMEOUT,
            check=False,
        ).stdout.splitlines()
        if program
        else []
    )
    if fonts:
        yield CheckResult("fonts", "ok", Message("mparchive.doctor.fonts", {"n": len(fonts)}))
    else:
        remedy = Message("mparchive.doctor.install_fonts")
        yield CheckResult("fonts", "note", Message("mparchive.doctor.no_fonts"), remedy)


def _check_disk() -> Iterator[CheckResult]:
    folder = ArchiveSettings().home
    existing = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(existing).free // 2**20
    params = {"folder": folder, "megabytes": free, "least": Limits().free_disk_mb}
    if not os.access(existing, os.W_OK | os.X_OK):
        remedy = Message("mparchive.doctor.other_home")
        yield CheckResult("disk", "problem", Message("mparchive.doctor.read_only", params), remedy)
    elif free < Limits().free_disk_mb:
        remedy = Message("mparchive.doctor.free_disk")
        yield CheckResult("disk", "problem", Message("mparchive.doctor.disk", params), remedy)
    else:
        yield CheckResult("disk", "ok", Message("mparchive.doctor.disk", params))


def _check_network() -> Iterator[CheckResult]:
    loopback = urlsplit(os.environ.get("MPARCHIVE_LOOPBACK", ""))
    host, port = loopback.hostname or HOST, loopback.port or HTTPS
    params = {"host": host, "port": port}
    try:
        socket.create_connection((host, port), timeout=CONNECT_TIMEOUT).close()
    except OSError as error:
        detail = Message("mparchive.doctor.no_network", {**params, "reason": error.strerror or str(error)})
        yield CheckResult("network", "problem", detail, Message("mparchive.doctor.check_network"))
    else:
        yield CheckResult("network", "ok", Message("mparchive.doctor.network", params))


_CHECKS = (
    _check_program,
    _check_configuration,
    _check_postgres,
    _check_chromium,
    _check_fonts,
    _check_disk,
    _check_network,
)
