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
REFERENCE = ROOT / "docs" / "reference"
PACKAGES = ("archive", "crawler", "web", "scheduler", "mparchive")
# Set by one process of the program for another, never by a person.
INTERNAL = {"MPARCHIVE_LIFELINE", "MPARCHIVE_PROGRESS", "MPARCHIVE_START_METHOD"}
_VARIABLE = re.compile(r"MPARCHIVE_[A-Z_]*[A-Z]")
_EXAMPLE = "../../mparchive/mparchive.example.toml"
_GENERATED = "<!-- Written by `make reference` from the code; do not edit. -->\n\n"

# For each variable its default, where the code computes it, and its meaning; both in English and Chinese.
SETTINGS: dict[str, tuple[str, str, str, str]] = {
    "MPARCHIVE_CONFIG": (
        "`./mparchive.toml`, then `<home>/mparchive.toml`",
        "`./mparchive.toml`，其次 `<home>/mparchive.toml`",
        "path of the configuration file",
        "配置文件的路径",
    ),
    "MPARCHIVE_HOME": (
        "the user's data folder",
        "用户数据目录",
        "folder of the embedded Postgres and of media files; new files in it are for their owner alone",
        "内嵌 Postgres 和媒体文件所在的文件夹；其中新建的文件只有所有者可以读写",
    ),
    "MPARCHIVE_LANG": (
        "the locale's language, else English",
        "系统区域设置的语言，否则为英文",
        "`en` or `zh`: language of messages, alarms and help",
        "`en` 或 `zh`：提示信息、警报和帮助使用的语言",
    ),
    "MPARCHIVE_DATABASE_URL": (
        "embedded Postgres",
        "内嵌 Postgres",
        "`postgresql://user:password@host/name`",
        "`postgresql://用户:密码@主机/库名`",
    ),
    "MPARCHIVE_DATABASE_PASSWORD_FILE": (
        "none",
        "无",
        "file with the database password if the URL has none; must be readable by its owner alone",
        "数据库地址不含密码时，存放密码的文件；必须只有所有者可以读取",
    ),
    "MPARCHIVE_MEDIA": (
        "`<home>/media`",
        "`<home>/media`",
        "media folder, or a storage that fsspec supports, such as `s3://bucket/prefix`",
        "媒体文件夹，或 fsspec 支持的存储，如 `s3://bucket/prefix`",
    ),
    "MPARCHIVE_PUBLIC_URL": (
        "none: the address of each request",
        "无：采用每次请求的地址",
        "address at which readers reach the web interface, such as `https://archive.example`; for citations",
        "读者访问网页界面的地址，如 `https://archive.example`；用于引用格式",
    ),
    "MPARCHIVE_MEDIA_TYPES": (
        "`image`",
        "`image`",
        "types of media files to store: `image,audio,video` for all",
        "保存哪些媒体文件：`image,audio,video` 表示全部",
    ),
    "MPARCHIVE_MEDIA_DELAY": (
        "the download delay",
        "同下载间隔",
        "seconds between two media files",
        "抓取两个媒体文件之间的间隔（秒）",
    ),
    "MPARCHIVE_MAX_VIDEO_MB": (
        "",
        "",
        "largest video in MB; the best available quality that fits is stored",
        "单个视频的大小上限（MB）；保存不超过上限的最高清晰度",
    ),
    "MPARCHIVE_DOWNLOAD_DELAY": (
        "",
        "",
        "seconds between two requests, with jitter; users report that 2 is unsafe and 5 is safe",
        "两次请求的间隔（秒），带随机抖动；据用户反映 2 秒不安全，5 秒安全",
    ),
    "MPARCHIVE_CONCURRENCY": ("", "", "concurrent requests", "并发请求数"),
    "MPARCHIVE_WORKERS": (
        "",
        "",
        "processes that store and parse pages, at most one per concurrent request",
        "保存和解析网页的进程数，不超过并发请求数",
    ),
    "MPARCHIVE_DOWNLOAD_TIMEOUT": ("", "", "seconds allowed for one page", "抓取一个网页的时间上限（秒）"),
    "MPARCHIVE_RETRY_TIMES": (
        "",
        "",
        "further attempts after a transient failure",
        "遇到暂时性故障时的重试次数",
    ),
    "MPARCHIVE_CHROMIUM": (
        "detected",
        "自动检测",
        "path of the Chromium to use",
        "使用的 Chromium 的路径",
    ),
    "MPARCHIVE_CHROMIUM_SANDBOX": (
        "",
        "",
        "set to `false` only where the container is the sandbox; root always runs without one",
        "仅当容器本身就是沙箱时设为 `false`；root 用户始终不使用沙箱",
    ),
    "MPARCHIVE_RENDER_TIMEOUT": (
        "",
        "",
        "seconds allowed for one page in the browser",
        "浏览器渲染一个网页的时间上限（秒）",
    ),
    "MPARCHIVE_BROWSER_HOSTS": (
        "none",
        "无",
        "hosts besides mp.weixin.qq.com whose scripts the browser may load, such as `res.wx.qq.com`",
        "除 mp.weixin.qq.com 外，允许浏览器加载脚本的主机，如 `res.wx.qq.com`",
    ),
    "MPARCHIVE_EGRESS": (
        "",
        "",
        "name of this machine's egress (outgoing network connection); machines with the same name "
        "take turns and back off together",
        "本机网络出口的名称；名称相同的机器轮流抓取，并一起暂停",
    ),
    "MPARCHIVE_INBOX_TOKEN": (
        "none: the inbox is closed",
        "无：不接收链接",
        "token for submitting links to `serve`; 16 to 256 characters",
        "向 `serve` 提交链接所需的口令；16 至 256 个字符",
    ),
    "MPARCHIVE_INBOX_TOKEN_FILE": ("none", "无", "file with that token", "存放上述口令的文件"),
    "MPARCHIVE_READING_TOKEN": (
        "none",
        "无",
        "token for reading with `serve` from other machines; 16 to 256 characters",
        "从其他机器访问 `serve` 所需的口令；16 至 256 个字符",
    ),
    "MPARCHIVE_READING_TOKEN_FILE": ("none", "无", "file with that token", "存放上述口令的文件"),
    "MPARCHIVE_PROXY_USER_HEADER": (
        "none",
        "无",
        "header in which a reverse proxy names the user it has signed in",
        "反向代理用来传递已登录用户名的请求头",
    ),
    "MPARCHIVE_TRUSTED_PROXIES": (
        "none",
        "无",
        "addresses or networks of the proxies whose headers are trusted, separated by commas",
        "受信任的代理地址或网段，用逗号分隔",
    ),
    "MPARCHIVE_SERVED_HOSTS": (
        "none",
        "无",
        "further host names under which `serve` on loopback may be reached, separated by commas",
        "`serve` 只监听本机时，还允许使用的主机名，用逗号分隔",
    ),
    "MPARCHIVE_METRICS": (
        "off",
        "关闭",
        "`9108` or `host:port`: where `run` and `worker` serve Prometheus metrics",
        "`9108` 或 `主机:端口`：`run` 和 `worker` 提供 Prometheus 指标的地址",
    ),
    "MPARCHIVE_LOG_LEVEL": ("", "", "log level of crawls", "抓取日志的级别"),
    "MPARCHIVE_CASSETTE": (
        "none",
        "无",
        "for `scrapy crawl`: a cassette file, as for `backfill --record` and `--replay`",
        "用于 `scrapy crawl`：录制文件，同 `backfill` 的 `--record` 和 `--replay`",
    ),
    "MPARCHIVE_CASSETTE_MODE": (
        "none",
        "无",
        "`record` or `replay`",
        "`record`（录制）或 `replay`（重放）",
    ),
    "MPARCHIVE_LOOPBACK": (
        "none",
        "无",
        "for tests: origin on this machine that is asked instead of mp.weixin.qq.com",
        "测试用：本机上代替 mp.weixin.qq.com 的服务器地址",
    ),
    "MPARCHIVE_NOW": (
        "none",
        "无",
        "for tests: file with the current time to assume; works only together with `MPARCHIVE_LOOPBACK`",
        "测试用：写有假定当前时间的文件，须与 `MPARCHIVE_LOOPBACK` 同时使用",
    ),
}


def texts() -> dict[Path, str]:
    """Return the modules of the program."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT): path.read_text("utf-8") for path in files}


def defaults() -> dict[str, str]:
    """Return the default of every variable that a settings class reads; empty where it has none."""
    for path, text in texts().items():
        if re.search(r"^from pydantic_settings import", text, re.M) or path == Path("crawler/settings.py"):
            importlib.import_module(".".join(path.with_suffix("").parts))
    return {
        f"MPARCHIVE_{name.upper()}": ""
        if field.is_required() or field.default_factory
        else str(field.default)
        for one in _subclasses(BaseSettings)
        for name, field in one.model_fields.items()
    }


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
    unknown = variables().keys() - SETTINGS.keys()
    if unknown:
        raise SystemExit(f"say in SETTINGS of bin/reference.py what these mean: {', '.join(sorted(unknown))}")
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
        f"| `{name}` | {row[int(chinese)] or variables()[name]} | {row[2 + int(chinese)]} |\n"
        for name, row in SETTINGS.items()
        if name in variables()
    )


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
    sys.path.insert(0, str(ROOT))
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
