"""The console command `mparchive`: declares commands and options, and sets the exit code.

Each command imports its work when it is called: importing all of it takes a second.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from archive.domain.day_ranges import chosen_days
from archive.domain.messages import Message
from archive.system import child_processes
from archive.system.catalogues import catalogue, process_language
from mparchive.console import ReaderGone, discard_stdout, protect_streams, say
from mparchive.environment import check_variables, unknown_variables
from mparchive.errors import STOPPED, CommandError, Exit, OutputError, describe_failure
from mparchive.options import (
    Account,
    CheckedGroup,
    Json,
    Since,
    Until,
    Week,
)
from mparchive.reading_commands import reading
from mparchive.setup_commands import setup

_ = catalogue("mparchive", process_language()).gettext  # the texts of --help

_COMPLETION = "_MPARCHIVE_COMPLETE"  # set by a shell that asks for completions

app = typer.Typer(
    cls=CheckedGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog=_("mparchive.help.exit_codes"),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mparchive {version('mparchive')}")
        raise typer.Exit


@app.callback(help=_("mparchive.help.summary"))
def mparchive(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help=_("mparchive.help.version")
        ),
    ] = False,
) -> None:
    """Take the options of the program itself."""


app.add_typer(reading)


@app.command("backfill", help=_("mparchive.help.backfill.summary"))
def backfill_command(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help=_("mparchive.help.backfill.inputs"))
    ],
    url: Annotated[str | None, typer.Option(help=_("mparchive.help.backfill.url"))] = None,
    since: Since = None,
    until: Until = None,
    week: Week = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help=_("mparchive.help.backfill.limit"))
    ] = None,
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

    days, sources = chosen_days(since, until, week), tuple(inputs)
    media = not no_media
    options = BackfillOptions(
        sources, url, *days, limit, dry_run, not no_fetch, media, again, replay, record, json
    )
    raise typer.Exit(backfill(options))


@app.command("forget", help=_("mparchive.help.forget.summary"))
def forget_command(
    posts: Annotated[
        list[str] | None, typer.Argument(metavar="[POST]...", help=_("mparchive.help.forget.posts"))
    ] = None,
    run: Annotated[list[int] | None, typer.Option(metavar="ID", help=_("mparchive.help.forget.run"))] = None,
    account: Annotated[str | None, typer.Option(help=_("mparchive.help.forget.account"))] = None,
    reason: Annotated[str, typer.Option(help=_("mparchive.help.forget.reason"))] = "",
    yes: Annotated[bool, typer.Option("--yes", help=_("mparchive.help.forget.yes"))] = False,
    json: Json = False,
) -> None:
    """Remove posts from the archive, and record that."""
    from mparchive.commands.forget import ForgetOptions, forget_posts

    options = ForgetOptions(tuple(posts or ()), tuple(run or ()), account, reason, yes, json)
    raise typer.Exit(forget_posts(options))


@app.command("reparse", help=_("mparchive.help.reparse.summary"))
def reparse_command(
    aid: Annotated[list[str] | None, typer.Argument(help=_("mparchive.help.reparse.aid"))] = None,
    account: Account = None,
    since: Since = None,
    until: Until = None,
    week: Week = None,
    whole: Annotated[bool, typer.Option("--all", help=_("mparchive.help.reparse.all"))] = False,
    apply: Annotated[bool, typer.Option("--apply", help=_("mparchive.help.reparse.apply"))] = False,
    json: Json = False,
) -> None:
    """Parse stored pages again."""
    from archive.repository.captures import ReparseSelection
    from mparchive.commands.reparse import reparse

    selection = ReparseSelection(tuple(aid or ()), account, *chosen_days(since, until, week), whole)
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
def status_command(
    json: Json = False,
    check: Annotated[bool, typer.Option("--check", help=_("mparchive.help.status.check"))] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=_("mparchive.help.status.quiet"))] = False,
) -> None:
    """Print the state of the archive, or check it."""
    from mparchive.commands.status import check_status, status

    if (json and check) or (quiet and not check):
        raise CommandError(Message("mparchive.status.check.options"))
    raise typer.Exit(check_status(quiet=quiet) if check else status(json))


@app.command("audit", help=_("mparchive.help.audit.summary"))
def audit_command(
    account: Account = None,
    since: Since = None,
    until: Until = None,
    week: Week = None,
    fill: Annotated[bool, typer.Option("--fill", help=_("mparchive.help.audit.fill"))] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help=_("mparchive.help.audit.limit"))
    ] = None,
    json: Json = False,
) -> None:
    """List what the archive lacks."""
    from mparchive.commands.audit import AuditOptions, audit

    first, last = chosen_days(since, until, week)
    options = AuditOptions(account=account, since=first, until=last, fill=fill, json=json, limit=limit)
    raise typer.Exit(audit(options))


@app.command("mcp", help=_("mparchive.help.mcp.summary"))
def mcp_command(
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help=_("mparchive.help.mcp.port"))
    ] = None,
    host: Annotated[str, typer.Option("--host", help=_("mparchive.help.mcp.host"))] = "127.0.0.1",
) -> None:
    """Answer programs that ask by the Model Context Protocol."""
    from mparchive.commands.mcp import answer

    raise typer.Exit(answer(host, port))


app.add_typer(setup)


@app.command("backup", help=_("mparchive.help.backup.summary"))
def backup_command(
    file: Annotated[Path | None, typer.Argument(help=_("mparchive.help.backup.file"))] = None,
    to: Annotated[str | None, typer.Option("--to", help=_("mparchive.help.backup.to"))] = None,
    keep: Annotated[str | None, typer.Option("--keep", help=_("mparchive.help.backup.keep"))] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help=_("mparchive.help.backup.no_verify"))
    ] = False,
) -> None:
    """Write a backup."""
    from mparchive.commands.backup import back_up, back_up_to

    if (file is None) == (to is None):
        raise CommandError(Message("mparchive.backup.file_or_place"))
    if to is not None:
        raise typer.Exit(back_up_to(to, keep=keep, verified=not no_verify))
    if keep is not None:
        raise CommandError(Message("mparchive.backup.keep_without_place"))
    if file is not None:
        raise typer.Exit(back_up(file, verified=not no_verify))


@app.command("restore", help=_("mparchive.help.restore.summary"))
def restore_command(
    source: Annotated[str, typer.Argument(help=_("mparchive.help.restore.source"))],
    check: Annotated[bool, typer.Option("--check", help=_("mparchive.help.restore.check"))] = False,
    verify_only: Annotated[
        bool, typer.Option("--verify-only", help=_("mparchive.help.restore.verify_only"))
    ] = False,
    head: Annotated[Path | None, typer.Option(help=_("mparchive.help.restore.head"))] = None,
    allow_damage: Annotated[
        bool, typer.Option("--allow-damage", help=_("mparchive.help.restore.allow_damage"))
    ] = False,
) -> None:
    """Restore a backup."""
    from mparchive.commands.backup import RestoreOptions, restore_archive

    raise typer.Exit(restore_archive(source, RestoreOptions(check, head, allow_damage, verify_only)))


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


def main() -> NoReturn:
    """Run the command; every expected failure is one sentence on stderr and a documented exit code."""
    protect_streams()
    sys.exit(_exit_code())


def _exit_code() -> int:
    try:
        code = _run()
        sys.stdout.flush()  # at the end of the process an error would come too late
    except ReaderGone:
        discard_stdout()
        return Exit.DONE
    except Exception as error:
        if isinstance(error, OutputError):
            discard_stdout()
        failure = describe_failure(error)
        if failure is None:
            raise
        message, code = failure
        say(message)
    return code


def _run() -> int:
    """Run the command and return its exit code; other errors than SystemExit are raised."""
    check_variables()
    _warn_of_misspelt_variables()
    try:
        app()
    except SystemExit as ended:
        if ended.code == Exit.INTERRUPTED:  # typer turns Ctrl-C into this code
            say(STOPPED)
        return ended.code if isinstance(ended.code, int) else Exit.DONE
    return Exit.DONE


def _warn_of_misspelt_variables(arguments: Sequence[str] = sys.argv[1:]) -> None:
    """Name variables that are not known but nearly one of ours: without effect, they would go unnoticed."""
    is_said_elsewhere = any(
        name in os.environ for name in (child_processes.ENVIRONMENT_VARIABLE, _COMPLETION)
    )
    if (
        is_said_elsewhere
        or arguments[:1] in (["config"], ["doctor"])
        or not any(unknown_variables().values())
    ):
        return
    from mparchive.commands.config import misspelt_variables

    for message in misspelt_variables():
        say(message)
