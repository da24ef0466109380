"""The console command `mparchive`: declares commands and options, and sets the exit code.

Each command imports its work when it is called: importing all of it takes a second.
"""

import sys
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from archive.domain.messages import Message
from archive.domain.outcomes import Kind
from archive.system.catalogues import catalogue, process_language
from crawler.process.entry import import_before_forking
from mparchive.console import discard_stdout, say
from mparchive.errors import STOPPED, CommandError, Exit, OutputError, describe_failure
from mparchive.options import CheckedGroup, Format, OptionalDiffValue, export_target, format_of

_ = catalogue("mparchive", process_language()).gettext  # the texts of --help

app = typer.Typer(
    cls=CheckedGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=_("mparchive.help.exit_codes"),
)

Json = Annotated[bool, typer.Option("--json", help=_("mparchive.help.json"))]

Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help=_("mparchive.help.since"))]

Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help=_("mparchive.help.until"))]

Account = Annotated[str | None, typer.Option(help=_("mparchive.help.account"))]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mparchive {version('mparchive')}")
        raise typer.Exit


@app.callback(help=_("mparchive.help.summary"))
def mparchive(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help=_("mparchive.help.version")),
    ] = False,
) -> None:
    """Take the options of the program itself."""


@app.command("backfill", help=_("mparchive.help.backfill.summary"))
def backfill_command(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help=_("mparchive.help.backfill.inputs"))
    ],
    url: Annotated[str | None, typer.Option(help=_("mparchive.help.backfill.url"))] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help=_("mparchive.help.backfill.limit"))] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("mparchive.help.backfill.dry_run"))] = False,
    no_fetch: Annotated[bool, typer.Option("--no-fetch", help=_("mparchive.help.backfill.no_fetch"))] = False,
    no_media: Annotated[bool, typer.Option("--no-media", help=_("mparchive.help.backfill.no_media"))] = False,
    again: Annotated[bool, typer.Option("--again", help=_("mparchive.help.backfill.again"))] = False,
    replay: Annotated[Path | None, typer.Option(help=_("mparchive.help.backfill.replay"))] = None,
    record: Annotated[Path | None, typer.Option(help=_("mparchive.help.backfill.record"))] = None,
    json: Json = False,
) -> None:
    """Import posts and fetch their pages."""
    from mparchive.commands.backfill import BackfillOptions, backfill

    first, last = _days(since, until)
    options = BackfillOptions(
        inputs=tuple(inputs),
        url=url,
        since=first,
        until=last,
        limit=limit,
        dry_run=dry_run,
        fetch=not no_fetch,
        media=not no_media,
        again=again,
        replay=replay,
        record=record,
        json=json,
    )
    raise typer.Exit(backfill(options))


@app.command("export", help=_("mparchive.help.export.summary"))
def export_command(
    form: Annotated[Format | None, typer.Option("--format", help=_("mparchive.help.export.format"))] = None,
    output: Annotated[
        str | None, typer.Option(metavar="PATH", help=_("mparchive.help.export.output"))
    ] = None,
    account: Account = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write archived posts to files."""
    from archive.repository.capture_selection import Selection
    from mparchive.commands.export import export

    selection, target = Selection(account, *_days(since, until)), export_target(output)
    raise typer.Exit(export(format_of(form, target), target, selection))


@app.command(
    "search", help=_("mparchive.help.search.summary"), context_settings={"ignore_unknown_options": True}
)
def search_command(
    words: Annotated[list[str] | None, typer.Argument(help=_("mparchive.help.search.words"))] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help=_("mparchive.help.search.limit"))] = 20,
    account: Account = None,
    kind: Annotated[Kind | None, typer.Option(help=_("mparchive.help.search.kind"))] = None,
    since: Since = None,
    until: Until = None,
    order: Annotated[
        Literal["date", "relevance"], typer.Option(help=_("mparchive.help.search.order"))
    ] = "date",
    rebuild: Annotated[bool, typer.Option("--rebuild", help=_("mparchive.help.search.rebuild"))] = False,
    json: Json = False,
) -> None:
    """Search the posts, or rebuild the search index."""
    from mparchive.commands.search import SearchOptions, rebuild_index, search_posts

    if unknown := [word for word in words or [] if word.startswith("--")]:
        raise CommandError(Message("mparchive.search.no_such_option", {"option": unknown[0]}))
    if rebuild == bool(words):
        raise CommandError(Message("mparchive.search.words_or_rebuild"))
    if rebuild:
        raise typer.Exit(rebuild_index(json))
    days = _days(since, until)
    options = SearchOptions(" ".join(words or []), account, kind, *days, order, limit, json)
    raise typer.Exit(search_posts(options))


@app.command("show", help=_("mparchive.help.show.summary"), cls=OptionalDiffValue)
def show_command(
    post: Annotated[str, typer.Argument(help=_("mparchive.help.show.aid"))],
    text: Annotated[bool, typer.Option("--text", help=_("mparchive.help.show.text"))] = False,
    raw: Annotated[bool, typer.Option("--raw", help=_("mparchive.help.show.raw"))] = False,
    history: Annotated[bool, typer.Option("--history", help=_("mparchive.help.show.history"))] = False,
    diff: Annotated[str | None, typer.Option(metavar="[N..M]", help=_("mparchive.help.show.diff"))] = None,
    links: Annotated[bool, typer.Option("--links", help=_("mparchive.help.show.links"))] = False,
    html: Annotated[bool, typer.Option("--html", help=_("mparchive.help.show.html"))] = False,
    in_browser: Annotated[bool, typer.Option("--open", help=_("mparchive.help.show.open"))] = False,
    account: Annotated[str | None, typer.Option(help=_("mparchive.help.show.account"))] = None,
    json: Json = False,
) -> None:
    """Print one post."""
    views = {
        "text": text,
        "raw": raw,
        "history": history,
        "links": links,
        "html": html,
        "open": in_browser,
        "diff": diff is not None,
    }
    chosen = [name for name, is_on in views.items() if is_on]
    if len(chosen) > 1:
        raise CommandError(_exclusive(chosen[0], chosen[1]))
    view = chosen[0] if chosen else "summary"
    if json and view not in ("summary", "history", "diff"):
        raise CommandError(_exclusive(view, "json"))
    from mparchive.commands.show import show

    raise typer.Exit(show(post, account, view, versions=diff or "", as_json=json))


def _exclusive(first: str, second: str) -> Message:
    return Message("mparchive.show.exclusive", {"first": f"--{first}", "second": f"--{second}"})


@app.command("reparse", help=_("mparchive.help.reparse.summary"))
def reparse_command(
    aid: Annotated[list[str] | None, typer.Argument(help=_("mparchive.help.reparse.aid"))] = None,
    account: Account = None,
    since: Since = None,
    until: Until = None,
    whole: Annotated[bool, typer.Option("--all", help=_("mparchive.help.reparse.all"))] = False,
    apply: Annotated[bool, typer.Option("--apply", help=_("mparchive.help.reparse.apply"))] = False,
    json: Json = False,
) -> None:
    """Parse stored pages again."""
    from archive.repository.captures import ReparseSelection
    from mparchive.commands.reparse import reparse

    selection = ReparseSelection(tuple(aid or ()), account, *_days(since, until), whole)
    raise typer.Exit(reparse(selection, apply=apply, as_json=json))


@app.command("parse", help=_("mparchive.help.parse.summary"))
def parse_command(
    file: Annotated[str, typer.Argument(help=_("mparchive.help.parse.file"))],
    url: Annotated[str | None, typer.Option(help=_("mparchive.help.parse.url"))] = None,
    json: Json = False,
) -> None:
    """Parse one saved page."""
    from mparchive.commands.parse import parse_file

    raise typer.Exit(parse_file(file, url, json))


@app.command("verify", help=_("mparchive.help.verify.summary"))
def verify_command(
    only: Annotated[list[str] | None, typer.Option(help=_("mparchive.help.verify.only"))] = None,
    anew: Annotated[bool, typer.Option("--anew", help=_("mparchive.help.verify.anew"))] = False,
    head: Annotated[Path | None, typer.Option(help=_("mparchive.help.verify.head"))] = None,
    save_head: Annotated[
        Path | None, typer.Option("--save-head", help=_("mparchive.help.verify.save_head"))
    ] = None,
    json: Json = False,
) -> None:
    """Verify the archive."""
    from mparchive.commands.verify import VerifyOptions, verify

    raise typer.Exit(verify(VerifyOptions(tuple(only or ()), anew, head, save_head, json)))


@app.command("status", help=_("mparchive.help.status.summary"))
def status_command(json: Json = False) -> None:
    """Print the state of the archive."""
    from mparchive.commands.status import status

    raise typer.Exit(status(json))


@app.command("audit", help=_("mparchive.help.audit.summary"))
def audit_command(
    account: Account = None,
    since: Since = None,
    until: Until = None,
    fill: Annotated[bool, typer.Option("--fill", help=_("mparchive.help.audit.fill"))] = False,
    limit: Annotated[int | None, typer.Option(min=1, help=_("mparchive.help.audit.limit"))] = None,
    json: Json = False,
) -> None:
    """List what the archive lacks."""
    from mparchive.commands.audit import AuditOptions, audit

    first, last = _days(since, until)
    options = AuditOptions(account=account, since=first, until=last, fill=fill, json=json, limit=limit)
    raise typer.Exit(audit(options))


@app.command("init", help=_("mparchive.help.init.summary"))
def init_command(
    source: Annotated[str, typer.Argument(metavar="INPUT", help=_("mparchive.help.init.input"))],
    output: Annotated[str | None, typer.Option(help=_("mparchive.help.init.output"))] = None,
) -> None:
    """Write a configuration."""
    from mparchive.commands.init import init

    raise typer.Exit(init(source, output))


@app.command("discover", help=_("mparchive.help.discover.summary"))
def discover_command(
    account: Account = None,
    only: Annotated[list[str] | None, typer.Option(help=_("mparchive.help.discover.only"))] = None,
    whole: Annotated[bool, typer.Option("--all", help=_("mparchive.help.discover.all"))] = False,
    json: Json = False,
) -> None:
    """Check all sources now."""
    from mparchive.commands.discover import discover_now

    raise typer.Exit(discover_now(account, only or [], whole, json))


@app.command("backup", help=_("mparchive.help.backup.summary"))
def backup_command(
    file: Annotated[Path, typer.Argument(help=_("mparchive.help.backup.file"))],
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help=_("mparchive.help.backup.no_verify"))
    ] = False,
) -> None:
    """Write a backup."""
    from mparchive.commands.backup import back_up

    raise typer.Exit(back_up(file, verified=not no_verify))


@app.command("restore", help=_("mparchive.help.restore.summary"))
def restore_command(
    file: Annotated[Path, typer.Argument(help=_("mparchive.help.restore.file"))],
    check: Annotated[bool, typer.Option("--check", help=_("mparchive.help.restore.check"))] = False,
) -> None:
    """Restore a backup."""
    from mparchive.commands.backup import restore_archive

    raise typer.Exit(restore_archive(file, only_check=check))


@app.command("run", help=_("mparchive.help.run.summary"))
def run_command() -> None:
    """Run the daemon."""
    from mparchive.commands.run import start_daemon

    raise typer.Exit(start_daemon())


@app.command("worker", help=_("mparchive.help.worker.summary"))
def worker_command() -> None:
    """Run another worker."""
    from mparchive.commands.run import start_worker

    raise typer.Exit(start_worker())


@app.command("serve", help=_("mparchive.help.serve.summary"))
def serve_command(
    host: Annotated[str, typer.Option(help=_("mparchive.help.serve.host"))] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help=_("mparchive.help.serve.port"))] = 8788,
    to_everybody: Annotated[
        bool, typer.Option("--to-everybody", help=_("mparchive.help.serve.to_everybody"))
    ] = False,
) -> None:
    """Serve the archive over HTTP."""
    from mparchive.commands.serve import serve

    raise typer.Exit(serve(host, port, to_everybody))


def _days(since: datetime | None, until: datetime | None) -> tuple[date | None, date | None]:
    """Return the days of two options, which typer reads as instants. Raises CommandError when reversed."""
    first, last = since and since.date(), until and until.date()
    if first and last and first > last:
        raise CommandError(Message("mparchive.error.days_reversed", {"since": first, "until": last}))
    return first, last


def main() -> NoReturn:
    """Run the command; every expected failure is one sentence on stderr and a documented exit code."""
    import_before_forking("mparchive.cli")  # each forked process would import it anyway
    try:
        app()
    except SystemExit as ended:
        if ended.code == Exit.INTERRUPTED:  # typer turns Ctrl-C into this code
            say(STOPPED)
        raise
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has closed it
        sys.exit(Exit.DONE)
    except Exception as error:
        if isinstance(error, OutputError):
            discard_stdout()
        failure = describe_failure(error)
        if failure is None:
            raise
        message, code = failure
        say(message)
        sys.exit(code)
    sys.exit(Exit.DONE)
