"""`mparchive config`: check the configuration, show what is set, or print its JSON Schema for editors."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from archive.db.settings import ArchiveSettings, RequestSettings
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from mparchive.console import localized, out, print_json, say, table_with, translated
from mparchive.environment import (
    VARIABLES,
    check_variables,
    computed_default,
    defaults_of,
    meaning,
    shown_value,
    unknown_message,
    unknown_variables,
)
from mparchive.errors import Exit
from scheduler.config import Config, ConfigError, SchedulerSettings, find_config, load_config


def check_config(file: Path | None) -> Exit:
    """Check the configuration file, and the names and values of the variables in the environment.

    One that is wrong or not known ends with exit code 2. Raises ConfigError for a missing or wrong file.
    """
    path = file or find_config()
    config = load_config(path)
    wrong = [*wrong_variables(), *unknown_variables_beside(config)]
    for message in wrong or [valid_message(path, config)]:
        say(message)
    return Exit.USAGE if wrong else Exit.DONE


def wrong_variables() -> list[Message]:
    """Return what is wrong with the values of the variables, of any command."""
    from crawler.settings import CrawlEnvironment  # noqa: PLC0415 - it reads the environment when imported
    from web.auth import InboxSettings, ReadingSettings  # noqa: PLC0415 - only this command needs them

    checks: tuple[Callable[[], object], ...] = (
        check_variables,
        CrawlEnvironment.read,
        RequestSettings.read,
        SchedulerSettings.read,
        lambda: ArchiveSettings().origin(),
        lambda: InboxSettings().token(),
        lambda: ReadingSettings().access(),
        lambda: ReadingSettings().hosts(""),
    )
    problems: list[Message] = []
    for check in checks:
        try:
            check()
        except MessageError as error:
            problems.append(error.message)
    return problems


def valid_message(path: Path, config: Config) -> Message:
    """Return that a configuration is valid, and which accounts it watches."""
    names = [account.name for account in config.accounts]
    return Message("mparchive.config.valid", {"path": path, "n": len(names), "accounts": names})


def unknown_variables_beside(config: Config | None) -> list[Message]:
    """Return what is wrong with the names in the environment; `config` may name variables for its secrets."""
    named = _variables_in(config.model_dump()) if config else ()
    return [unknown_message(name, nearest) for name, nearest in unknown_variables(named=named).items()]


def misspelt_variables() -> list[Message]:
    """Return what is wrong with variables whose names are nearly right."""
    config = None
    with suppress(MessageError):  # the command that needs the configuration says what is wrong with it
        config = load_config(find_config())
    named = _variables_in(config.model_dump()) if config else ()
    found = unknown_variables(named=named).items()
    return [unknown_message(name, nearest) for name, nearest in found if nearest]


def show_config(file: Path | None, as_json: bool) -> Exit:
    """Print every setting with its value, and whether it is a default. Passwords and tokens are hidden.

    Raises ConfigError for a configuration file that is wrong, or named and missing.
    """
    config = _config_if_any(file)
    variables = list(_variables())
    if as_json:
        tables = config.model_dump(mode="json") if config else None
        print_json({"file": tables, "environment": {one["name"]: one["value"] for one in variables}})
        return Exit.DONE
    table = table_with(*map(translated, ("mparchive.config.setting", "mparchive.config.value")))
    if config:
        for key, value in _flat(config.model_dump(mode="json")):
            table.add_row(key, value)
    for one in variables:
        default = translated("mparchive.config.default", value=one["default"])
        table.add_row(one["name"], one["value"] or default)
    out.print(table)
    return Exit.DONE


def print_schema() -> Exit:
    """Print the JSON Schema of mparchive.toml, for editors that complete and check TOML by one."""
    print_json(Config.model_json_schema())
    return Exit.DONE


def _variables_in(value: Any, key: str = "") -> Iterator[str]:
    """Yield the variables that a configuration names for its secrets: the values of the keys `*_env`."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _variables_in(one, name)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _variables_in(one, key)
    elif isinstance(value, str) and key.endswith("_env"):
        yield value


def _config_if_any(file: Path | None) -> Config | None:
    """Return the configuration; None, and a sentence on stderr, where there is none and none was named."""
    try:
        return load_config(file or find_config())
    except ConfigError as error:
        if error.message.code != "scheduler.config.none":
            raise
        say(error.message)
        return None


def _variables() -> Iterator[dict[str, str]]:
    from crawler.settings import CrawlEnvironment  # noqa: PLC0415 - it reads the environment when imported

    values = defaults_of((ArchiveSettings, CrawlEnvironment, RequestSettings, SchedulerSettings))
    for name in VARIABLES:
        computed = computed_default(name)
        default = localized(computed) if computed else values.get(name, "")
        yield {
            "name": name,
            "value": shown_value(name),
            "default": default,
            "meaning": localized(meaning(name)),
        }


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of nested tables with their keys as `accounts[1].name`, counted from 1."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _flat(one, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for number, one in enumerate(value, 1):
            yield from _flat(one, f"{place}[{number}]")
    elif value not in (None, [], ""):
        yield place, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
