"""The environment variables of the program: their names, defaults and meanings, and which are unknown."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from archive.domain.messages import Message
from archive.system.catalogues import LANGUAGE_VARIABLE, LANGUAGES, is_language, template
from mparchive.errors import CommandError

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

PREFIX = "MPARCHIVE_"

VARIABLES = (
    "MPARCHIVE_CONFIG",
    "MPARCHIVE_HOME",
    "MPARCHIVE_LANG",
    "MPARCHIVE_DATABASE_URL",
    "MPARCHIVE_DATABASE_PASSWORD_FILE",
    "MPARCHIVE_READER_DATABASE_URL",
    "MPARCHIVE_READER_DATABASE_PASSWORD_FILE",
    "MPARCHIVE_MEDIA",
    "MPARCHIVE_PUBLIC_URL",
    "MPARCHIVE_MEDIA_TYPES",
    "MPARCHIVE_MEDIA_DELAY",
    "MPARCHIVE_MAX_VIDEO_MB",
    "MPARCHIVE_DOWNLOAD_DELAY",
    "MPARCHIVE_BARE_A_DAY",
    "MPARCHIVE_CONCURRENCY",
    "MPARCHIVE_WORKERS",
    "MPARCHIVE_DOWNLOAD_TIMEOUT",
    "MPARCHIVE_RETRY_TIMES",
    "MPARCHIVE_CHROMIUM",
    "MPARCHIVE_CHROMIUM_SANDBOX",
    "MPARCHIVE_RENDER_TIMEOUT",
    "MPARCHIVE_BROWSER_HOSTS",
    "MPARCHIVE_EGRESS",
    "MPARCHIVE_INBOX_TOKEN",
    "MPARCHIVE_INBOX_TOKEN_FILE",
    "MPARCHIVE_READING_TOKEN",
    "MPARCHIVE_READING_TOKEN_FILE",
    "MPARCHIVE_PROXY_USER_HEADER",
    "MPARCHIVE_TRUSTED_PROXIES",
    "MPARCHIVE_SERVED_HOSTS",
    "MPARCHIVE_METRICS",
    "MPARCHIVE_LOG_FORMAT",
    "MPARCHIVE_LOG_LEVEL",
    "MPARCHIVE_CASSETTE",
    "MPARCHIVE_CASSETTE_MODE",
    "MPARCHIVE_LOOPBACK",
    "MPARCHIVE_NOW",
)

# Set by one process of the program for another, never by a person.
INTERNAL = frozenset({"MPARCHIVE_LIFELINE", "MPARCHIVE_PROGRESS", "MPARCHIVE_START_METHOD"})

_SECRET = frozenset(
    {
        "MPARCHIVE_DATABASE_URL",
        "MPARCHIVE_READER_DATABASE_URL",
        "MPARCHIVE_INBOX_TOKEN",
        "MPARCHIVE_MEDIA",
        "MPARCHIVE_READING_TOKEN",
    }
)

_HIDDEN = "***"

MAX_QUOTED = 80  # characters of a value that a message quotes


def check_variables(environment: Mapping[str, str] = os.environ) -> None:
    """Check the variables that every command uses. Raises CommandError, MediaFolderError."""
    language = environment.get(LANGUAGE_VARIABLE, "")
    if language and not is_language(language):
        params = {"value": language[:MAX_QUOTED], "known": LANGUAGES}
        raise CommandError(Message("mparchive.config.unknown_language", params))
    if "://" in environment.get("MPARCHIVE_MEDIA", ""):
        from archive.storage.media_files import check_scheme  # noqa: PLC0415 - seldom needed, and slow

        check_scheme(environment["MPARCHIVE_MEDIA"])


def meaning(name: str) -> Message:
    """Return what a variable sets."""
    return Message(f"mparchive.variable.{_key(name)}")


def computed_default(name: str) -> Message | None:
    """Return the description of a default that the program computes; None where the default is a value."""
    code = f"mparchive.variable_default.{_key(name)}"
    return Message(code) if template(code, "en") is not None else None


def defaults_of(classes: Iterable[type["BaseSettings"]]) -> dict[str, str]:
    """Return the default of each variable that these classes read; "" where it is required or computed."""
    return {
        f"{PREFIX}{name.upper()}": "" if field.is_required() or field.default_factory else str(field.default)
        for one in classes
        for name, field in one.model_fields.items()
    }


def shown_value(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a variable as it may be printed, without passwords and tokens; "" where it is not set."""
    value = environment.get(name, "")
    return _HIDDEN if value and name in _SECRET else value


def unknown_variables(
    environment: Mapping[str, str] = os.environ, named: Iterable[str] = ()
) -> dict[str, str]:
    """Return the variables that begin like ours and are none, each with the nearest known one or "".

    `named` are further variables, which a configuration names for its secrets.
    """
    known = {*VARIABLES, *INTERNAL, *named}
    strange = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return {name: _nearest(name) for name in strange}


def _nearest(name: str) -> str:
    """Return the known variable that a name is probably meant to be, "" where none is near."""
    by_rest = {one.removeprefix(PREFIX): one for one in VARIABLES}  # the prefix is alike in all of them
    near = get_close_matches(name.removeprefix(PREFIX), by_rest, n=1)
    return by_rest[near[0]] if near else ""


def unknown_message(name: str, nearest: str) -> Message:
    """Return the sentence about a variable that is not known."""
    if nearest:
        return Message("mparchive.config.unknown_variable_near", {"name": name, "near": nearest})
    return Message("mparchive.config.unknown_variable", {"name": name})


def _key(name: str) -> str:
    return name.removeprefix(PREFIX).lower()
