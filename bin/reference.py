"""Write the reference of commands and settings from the code, or check it: `make reference`."""

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings
from typer.core import TyperGroup
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from archive.system.catalogues import Language  # noqa: E402 - of this checkout
from mparchive.environment import INTERNAL, VARIABLES, computed_default, defaults_of, meaning  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
PACKAGES = ("archive", "crawler", "web", "scheduler", "mparchive")
_VARIABLE = re.compile(r"MPARCHIVE_[A-Z_]*[A-Z]")
_EXAMPLE = "../../mparchive/mparchive.example.toml"
_GENERATED = "<!-- Written by `make reference` from the code; do not edit. -->\n\n"


def texts() -> dict[Path, str]:
    """Return the modules of the program."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT): path.read_text("utf-8") for path in files}


def defaults() -> dict[str, str]:
    """Return the default of every variable that a settings class reads; empty where it has none."""
    for path, text in texts().items():
        if re.search(r"^from pydantic_settings import", text, re.M) or path == Path("crawler/settings.py"):
            importlib.import_module(".".join(path.with_suffix("").parts))
    return defaults_of(_subclasses(BaseSettings))


def _subclasses(base: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for one in base.__subclasses__():
        if one.__module__.startswith(PACKAGES):
            yield one
        yield from _subclasses(one)


@cache
def variables() -> dict[str, str]:
    """Return every variable that the program reads, with its default: of settings, and named in a string."""
    named = {
        node.value: ""
        for text in texts().values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _VARIABLE.fullmatch(node.value)
    }
    return {name: value for name, value in {**named, **defaults()}.items() if name not in INTERNAL}


def settings(*, chinese: bool) -> str:
    """Return the table of settings. Raises SystemExit where a variable has no meaning here."""
    if variables().keys() != set(VARIABLES):
        different = ", ".join(sorted(variables().keys() ^ set(VARIABLES)))
        raise SystemExit(f"the code and mparchive/environment.py differ about {different}")
    language: Language = "zh" if chinese else "en"
    if chinese:
        head = "# 环境变量\n\nEnglish: [settings.md](settings.md)\n\n" + _GENERATED
        head += f"公众号、时间安排和警报写在 `mparchive.toml` 中（[示例]({_EXAMPLE})），"
        head += "其余用下列环境变量设置。\n\n| 变量 | 默认值 | 含义 |\n|---|---|---|\n"
    else:
        head = "# Environment variables\n\n中文：[settings.zh-CN.md](settings.zh-CN.md)\n\n" + _GENERATED
        head += f"Accounts, schedule and alarms are set in `mparchive.toml` ([example]({_EXAMPLE}));\n"
        head += "everything else is set by these variables.\n"
        head += "\n| variable | default | meaning |\n|---|---|---|\n"
    return head + "".join(
        f"| `{name}` | {_default(name, language)} | {meaning(name).text(language)} |\n" for name in VARIABLES
    )


def _default(name: str, language: Language) -> str:
    computed = computed_default(name)
    return computed.text(language) if computed else variables()[name]


def commands(*, chinese: bool) -> str:
    """Return every command with its arguments and options, from the texts of `--help` of this process."""
    group = get_command(importlib.import_module("mparchive.cli").app)
    if not isinstance(group, TyperGroup):
        raise TypeError("mparchive.cli.app has no commands")
    if chinese:
        head = "# 命令\n\nEnglish: [commands.md](commands.md)\n\n" + _GENERATED
        head += f"{_sentence(group.help)}`mparchive 命令 --help` 显示同样的内容。\n"
        columns = "| 参数或选项 | 含义 | 默认值 |\n|---|---|---|\n"
    else:
        head = "# Commands\n\n中文：[commands.zh-CN.md](commands.zh-CN.md)\n\n" + _GENERATED
        head += f"{_sentence(group.help)} `mparchive COMMAND --help` prints the same.\n"
        columns = "| argument or option | meaning | default |\n|---|---|---|\n"
    parts = [head]
    for name in sorted(group.commands):
        command = group.commands[name]
        rows = [_row(parameter) for parameter in command.params if not parameter.hidden]
        table = columns + "".join(rows) if rows else ""
        parts.append(f"\n## {name}\n\n{_sentence(command.help)}\n\n{table}".rstrip() + "\n")
    return "".join(parts)


def _commands_in(language: str) -> str:
    """Return the commands in a language, by another process: the texts are chosen when they are imported."""
    environment = {**os.environ, "MPARCHIVE_LANG": language}
    command = [sys.executable, __file__, "--print-commands"]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - this file
    return done.stdout


def _row(parameter: Any) -> str:
    words = " ".join(str(parameter.help or "").split())
    if parameter.param_type_name == "argument":
        dots = "…" if parameter.nargs == -1 else ""
        return f"| `{parameter.name.upper()}{dots}` | {_cell(words)} |  |\n"
    annotation = parameter.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        words = " ".join([words, *(f"`{one.value}`" for one in annotation)])
    default = parameter.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    shown = f"`{getattr(default, 'value', default)}`" if plain else ""
    return f"| {', '.join(f'`{one}`' for one in parameter.opts)} | {_cell(words)} | {shown} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def documents() -> dict[Path, str]:
    """Return the generated documents with their contents."""
    return {
        REFERENCE / "settings.md": settings(chinese=False),
        REFERENCE / "settings.zh-CN.md": settings(chinese=True),
        REFERENCE / "commands.md": _commands_in("en"),
        REFERENCE / "commands.zh-CN.md": _commands_in("zh"),
    }


def main() -> None:
    """Write each document that changed; with `--check` only name them, and end with 1 if there are any."""
    if "--print-commands" in sys.argv:
        sys.stdout.write(commands(chinese=os.environ["MPARCHIVE_LANG"] == "zh"))
        return
    for name in [name for name in os.environ if name.startswith("MPARCHIVE_")]:
        del os.environ[name]
    stale = []
    for path, content in documents().items():
        if not path.exists() or path.read_text("utf-8") != content:
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv:
                path.write_text(content, "utf-8")
    if stale and "--check" in sys.argv:
        raise SystemExit(f"run `make reference`: {', '.join(stale)} differ from the code")


if __name__ == "__main__":
    main()
