"""`mparchive mcp`: answer programs that ask by the Model Context Protocol."""

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from archive.db.engine import Readers, open_as_reader
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from mparchive.console import say, set_up_log
from mparchive.errors import CommandError, Exit

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer


def answer(host: str, port: int | None) -> Exit:
    """Answer on standard input and output, or with a port over HTTP, until the client or a signal ends it.

    Raises CommandError where the package `mcp` is not installed, or everybody could read over the network.
    """
    try:
        from web.mcp_server import make_mcp_server  # noqa: PLC0415 - a second, and an extra
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "mcp":
            raise
        raise CommandError(Message("mparchive.mcp.not_installed")) from None
    with open_as_reader() as engine, Readers(engine) as readers:
        server = make_mcp_server(readers, ArchiveSettings().origin(), version("mparchive"))
        if port is None:
            server.run("stdio")
        else:
            _serve(server, host, port)
    return Exit.DONE


def _serve(server: "MCPServer[Any]", host: str, port: int) -> None:
    """Serve /mcp behind the same token, rates and host names as the web interface."""
    from mcp.server.transport_security import TransportSecuritySettings  # noqa: PLC0415 - as above

    from web.app import (  # noqa: PLC0415 - as above
        access_at,
        handle_signals,
        is_loopback,
        listening,
        make_server,
        server_address,
    )
    from web.auth import ReadingSettings  # noqa: PLC0415 - as above
    from web.middleware import AdmissionMiddleware  # noqa: PLC0415 - as above
    from web.pages import error_response  # noqa: PLC0415 - as above

    set_up_log()
    settings = ReadingSettings()
    access = settings.access()
    with listening(host, port) as listener:
        if access.is_open and not is_loopback(listener):
            raise CommandError(Message("mparchive.mcp.unprotected"))
        access = access_at(listener, host, settings, access)
        app = server.streamable_http_app(
            json_response=True,
            stateless_http=True,
            # `access` checks the host, as for the web interface
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        admitted = AdmissionMiddleware(app, access, time.monotonic, error_response)
        http = make_server(admitted, has_lifespan=True)
        handle_signals(http)
        say(Message("mparchive.mcp.serving", {"address": f"http://{server_address(listener)}/mcp"}))
        http.run(sockets=[listener])
