"""`mparchive serve`: serve the archive over HTTP."""

import gc
from functools import partial

import structlog

from archive.db.engine import open_as_reader
from archive.db.roles import role_warnings
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.storage.media_files import MediaFolder
from archive.system import clock
from archive.system.catalogues import process_language
from archive.system.child_processes import ParentWatch
from mparchive.console import say, set_up_log
from mparchive.errors import CommandError, Exit
from web.app import (
    access_at,
    handle_signals,
    is_loopback,
    listening,
    make_server,
    server_address,
)

log = structlog.get_logger()


def serve(host: str, port: int, to_everybody: bool = False) -> Exit:
    """Serve until SIGTERM or SIGINT. Raises CommandError, ListenError, PublicUrlError, TokenUnusable."""
    from archive.db.engine import Readers  # noqa: PLC0415 - as above
    from web.app import create_app  # noqa: PLC0415 - half a second
    from web.auth import InboxSettings, ReadingSettings  # noqa: PLC0415 - as above
    from web.inbox.routes import LinkInbox  # noqa: PLC0415 - as above
    from web.inbox.submission import inbox_closed  # noqa: PLC0415 - as above

    set_up_log()
    settings = ReadingSettings()
    token, access, origin = InboxSettings().token(), settings.access(), ArchiveSettings().origin()
    with listening(host, port) as listener, open_as_reader() as engine, Readers(engine) as readers:
        if access.is_open and not to_everybody and not is_loopback(listener):
            raise CommandError(Message("mparchive.serve.unprotected"))
        access = access_at(listener, host, settings, access)
        if not token:
            say(inbox_closed().message.text(process_language()))
        with readers.session() as session:
            for warning in role_warnings(session.connection(), reads_only=True):
                say(warning)
        folder = MediaFolder(ArchiveSettings())
        inbox = LinkInbox(engine, token, clock.now)
        app = create_app(inbox, readers, folder, clock.now, access=access, origin=origin)
        server = make_server(app)
        handle_signals(server)
        gc.freeze()  # what is loaded now stays: to look through it for garbage takes a fifth of a page's time
        ParentWatch.from_environment(partial(setattr, server, "should_exit", True))
        address = server_address(listener)
        log.info(
            Message("mparchive.serve.serving", {"address": f"http://{address}/"}),
            action="serving",
            address=f"http://{address}/",
            inbox=f"http://{address}/inbox",
            open=bool(token),
        )
        server.run(sockets=[listener])
        log.info("served", action="served")
    return Exit.DONE
