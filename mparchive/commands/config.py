"""`mparchive config`: check the configuration, show what is set, or print its JSON Schema for editors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archive.domain.messages import Message
from mparchive.console import localized, out, print_json, say, table_with, translated
from mparchive.environment import (
    VARIABLES,
    computed_default,
    meaning,
    shown_value,
    unknown_message,
    unknown_variables,
)
from mparchive.errors import Exit
from scheduler.config import Config, ConfigError, find_config, load_config


def check_config(file: Path | None) -> Exit:
    """Check the configuration file and the names of the variables in the environment.

    A variable that is not known ends with exit code 2. Raises ConfigError for a missing or wrong file.
    """
    path = file or find_config()
    config = load_config(path)
    unknown = unknown_variables(named=variables_in(config.model_dump()))
    for name, nearest in unknown.items():
        say(unknown_message(name, nearest))
    if unknown:
        return Exit.USAGE
    names = [account.name for account in config.accounts]
    say(Message("mparchive.config.valid", {"path": path, "n": len(names), "accounts": names}))
    return Exit.DONE


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


def variables_in(value: Any, key: str = "") -> Iterator[str]:
    """Yield the variables that a configuration names for its secrets: the values of the keys `*_env`."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from variables_in(one, name)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from variables_in(one, key)
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

    values = {
        f"MPARCHIVE_{name.upper()}": field.default for name, field in CrawlEnvironment.model_fields.items()
    }
    for name in VARIABLES:
        computed = computed_default(name)
        default = localized(computed) if computed else str(values.get(name, ""))
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
