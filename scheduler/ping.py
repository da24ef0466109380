"""Ping a monitoring service, which raises an alarm when the pings stop: healthchecks.io and its like."""

from collections.abc import Sequence
from http.client import HTTPException
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import structlog

from archive.domain.errors import MessageError, error_message
from archive.domain.messages import Message
from archive.system.catalogues import Language, process_language
from crawler.discovery.config import SecretMissing
from scheduler.config import Ping

TIMEOUT = 10.0  # seconds
MAX_BODY = 10_000  # bytes of the problems; healthchecks.io keeps that much
FAILING = "fail"  # appended to the path while there are problems

log = structlog.get_logger()


class PingFailed(MessageError):
    """A ping did not arrive; the message does not hold the address, which is a secret."""


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        """Follow no redirect: the address is a secret of one host."""


_OPENER = build_opener(_NoRedirect)


def report_problems(ping: Ping | None, problems: Sequence[Message]) -> None:
    """Ping the configured service, with the problems where there are any; a failure is only logged."""
    if ping is None:
        return
    try:
        send_ping(ping.read_secret(), problems, process_language())
    except (PingFailed, SecretMissing) as error:
        log.error(error_message(error), action="ping_failed")


def send_ping(url: str, problems: Sequence[Message], language: Language) -> None:
    """Ping the address, or the address with /fail and the problems in the body. Raises PingFailed."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        raise PingFailed("scheduler.ping.not_an_address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PingFailed("scheduler.ping.not_an_address")
    if problems:
        parts = parts._replace(path=f"{parts.path.rstrip('/')}/{FAILING}")
    body = "\n".join(one.text(language) for one in problems).encode()[:MAX_BODY]
    request = Request(urlunsplit(parts), data=body, method="POST")  # noqa: S310 - only http and https, see above
    request.add_header("Content-Type", "text/plain; charset=utf-8")
    try:
        with _OPENER.open(request, timeout=TIMEOUT):
            return
    except URLError as error:
        reason = str(getattr(error, "code", "") or error.reason)
    except (OSError, ValueError, HTTPException) as error:
        reason = type(error).__name__
    raise PingFailed("scheduler.ping.failed", host=parts.hostname, reason=reason)
