"""Write the log: one line per event, for people on a terminal and as JSON elsewhere.

Our own code logs with structlog: `log.info("crawl ended", action="crawl_ended", verdict="done")`. The first
argument is a sentence, or a message with a code; `action` is the stable name of the event. Lines of libraries
pass through the same formatter.
"""

import json
import logging
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, Protocol, TextIO, get_args, runtime_checkable
from zoneinfo import ZoneInfo

import structlog
from structlog.stdlib import ProcessorFormatter

from archive.system import clock
from archive.system.catalogues import Language, process_language

LogFormat = Literal["plain", "human", "json"]

FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)
FORMAT_VARIABLE = "MPARCHIVE_LOG_FORMAT"
LEVEL_VARIABLE = "MPARCHIVE_LOG_LEVEL"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LIBRARY_LINE = "library_line"  # the event of a line that a library wrote

_OWN = ("archive", "crawler", "mparchive", "scheduler", "web")  # packages whose lines are all written
_SHANGHAI = ZoneInfo("Asia/Shanghai")  # the times in messages are Beijing's as well
_FIRST = ("at", "level", "event", "message")
_NAME_WIDTH = len("critical")

_of_process: dict[str, Any] = {}  # fields of every line of this process

_Fields = MutableMapping[str, Any]


@runtime_checkable
class _Localized(Protocol):
    def text(self, language: Language) -> str: ...


def add_to_every_line(**fields: Any) -> None:
    """Add fields, such as the run, to every later line of this process; None removes one."""
    _of_process.update(fields)
    for name in [name for name, value in _of_process.items() if value is None]:
        del _of_process[name]


def format_for(stream: TextIO, environment: Mapping[str, str], unknown: LogFormat | None = None) -> LogFormat:
    """Return the format of MPARCHIVE_LOG_FORMAT, else that of a terminal, or `json` for anything else.

    On a terminal it is `plain`, or `human` where MPARCHIVE_LOG_LEVEL asks for a level. `unknown` stands for a
    format that there is not. Raises ValueError without it.
    """
    chosen = environment.get(FORMAT_VARIABLE, "").strip().lower()
    if not chosen and stream.isatty():
        return "human" if environment.get(LEVEL_VARIABLE, "").strip() else "plain"
    for known in FORMATS:
        if (chosen or "json") == known:
            return known
    if unknown is None:
        raise ValueError(chosen)
    return unknown


def set_up_log(stream: TextIO, log_format: LogFormat, level: str, clean: Callable[[str], str] = str) -> None:
    """Write the log to a stream from this level on, in place of all handlers that were there.

    `clean` is applied to every line; it removes secrets or control characters. The format `plain` has only
    the lines that are sentences for whoever watches, and all warnings.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log_formatter(log_format, clean))
    handler.setLevel(level)
    if log_format == "plain":
        handler.addFilter(_is_sentence_or_warning)
    if level != "DEBUG":
        handler.addFilter(_is_ours_or_warning)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    use_standard_logging()


def _is_ours_or_warning(record: logging.LogRecord) -> bool:
    """Leave out what libraries tell about their work; their warnings stay."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in _OWN


def _is_sentence_or_warning(record: logging.LogRecord) -> bool:
    """Leave out what only an operator needs: such lines have no message code."""
    is_sentence = isinstance(record.msg, dict) and isinstance(record.msg.get("event"), _Localized)
    return record.levelno >= logging.WARNING or is_sentence


def use_standard_logging() -> None:
    """Pass what structlog is given to the handlers of the standard library."""
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def log_formatter(log_format: LogFormat, clean: Callable[[str], str] = str) -> ProcessorFormatter:
    """Return a formatter for our own log records and those of libraries."""

    def finish(_logger: Any, _method: str, fields: _Fields) -> str:
        language = "en" if log_format == "json" else process_language()
        values = {"at": clock.now(), **_named(fields), **_of_process}
        line = json.dumps(values, ensure_ascii=False, default=partial(_plain, language=language))
        match log_format:
            case "plain":
                return clean(_sentence(json.loads(line)))
            case "human":
                return clean(_human(json.loads(line)))
        return clean(line)

    return ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, finish],
    )


def _named(fields: _Fields) -> dict[str, Any]:
    """Return the fields with the stable name of the event apart from its sentence."""
    message, event = fields.pop("event", ""), fields.pop("action", LIBRARY_LINE)
    if event != LIBRARY_LINE:
        fields.pop("logger", None)
    return {"level": fields.pop("level"), "event": event, "message": message, **fields}


def _plain(value: object, language: Language) -> Any:
    """Return what JSON has no form for: instants in ISO 8601 with their offset, durations in seconds."""
    match value:
        case datetime():
            return value.isoformat(timespec="milliseconds")
        case timedelta():
            return value.total_seconds()
        case _Localized():
            return value.text(language)
        case Mapping():
            return dict(value)
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def _human(values: Mapping[str, Any]) -> str:
    """Return a line for people: time, level, sentence, then the fields as logfmt writes them."""
    at, level, event, message = (values[name] for name in _FIRST)
    rest = {name: value for name, value in values.items() if name not in _FIRST}
    trace = rest.pop("exception", "")
    fields = " ".join(f"{name}={_quoted(value)}" for name, value in _flat({"event": event, **rest}).items())
    sentence = " ".join(str(message).splitlines())
    return f"{at} {level.upper():<{_NAME_WIDTH}} {sentence}  {fields}" + (f"\n{trace}" if trace else "")


def _sentence(values: Mapping[str, Any]) -> str:
    """Return the time in Beijing and a sentence; of a warning the fields as well."""
    local = datetime.fromisoformat(values["at"]).astimezone(_SHANGHAI)
    if values["level"] == "info":
        return f"{local:%H:%M:%S}  {' '.join(str(values['message']).splitlines())}"
    return f"{local:%H:%M:%S}  {_human(values).partition(' ')[2]}"


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested fields side by side: counts.posts."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": one for inner, one in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def _quoted(value: Any) -> str:
    """Return a value as logfmt has it: text with spaces or quotes in quotes, everything else as in JSON."""
    if isinstance(value, str) and value and not any(one in value for one in ' "=\n\t'):
        return value
    return json.dumps(value, ensure_ascii=False)
