"""The commands that set up an archive and check its surroundings: config, doctor, init, sources and others.

Each imports its work when it is called, as in mparchive.cli.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from archive.domain.messages import Message
from archive.system.catalogues import catalogue, process_language
from mparchive.errors import CommandError
from mparchive.options import Account, Json

_ = catalogue("mparchive", process_language()).gettext  # the texts of --help

setup = typer.Typer()


@setup.command("config", help=_("mparchive.help.config.summary"))
def config_command(
    action: Annotated[
        Literal["check", "show", "schema"], typer.Argument(help=_("mparchive.help.config.action"))
    ],
    file: Annotated[Path | None, typer.Argument(help=_("mparchive.help.config.file"))] = None,
    json: Json = False,
) -> None:
    """Check or show the configuration."""
    from mparchive.commands.config import check_config, print_schema, show_config

    if action == "schema" and file:
        raise CommandError(Message("mparchive.config.schema_reads_no_file", {"file": file}))
    if action == "schema":
        raise typer.Exit(print_schema())
    raise typer.Exit(check_config(file) if action == "check" else show_config(file, json))


@setup.command("doctor", help=_("mparchive.help.doctor.summary"))
def doctor_command(json: Json = False) -> None:
    """Check this machine."""
    from mparchive.commands.doctor import doctor

    raise typer.Exit(doctor(json))


@setup.command("live-check", help=_("mparchive.help.live_check.summary"))
def live_check_command(
    post: Annotated[str, typer.Option("--post", metavar="ADDRESS", help=_("mparchive.help.live_check.post"))],
    short: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help=_("mparchive.help.live_check.short"))
    ] = None,
    deleted: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help=_("mparchive.help.live_check.deleted"))
    ] = None,
    video: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help=_("mparchive.help.live_check.video"))
    ] = None,
    addresses: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help=_("mparchive.help.live_check.list"))
    ] = None,
    without_chksm: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help=_("mparchive.help.live_check.without_chksm"))
    ] = None,
    report: Annotated[
        Path, typer.Option("--report", "-o", metavar="FILE", help=_("mparchive.help.live_check.report"))
    ] = Path("live-check.json"),
) -> None:
    """Compare the live site with what the program expects."""
    from mparchive.commands.live_check import LiveCheckOptions, live_check

    given = LiveCheckOptions(post, short, deleted, video, addresses, without_chksm, report)
    raise typer.Exit(live_check(given))


@setup.command("init", help=_("mparchive.help.init.summary"))
def init_command(
    source: Annotated[str, typer.Argument(metavar="INPUT", help=_("mparchive.help.init.input"))],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help=_("mparchive.help.init.output"))
    ] = None,
) -> None:
    """Write a configuration."""
    from mparchive.commands.init import init

    raise typer.Exit(init(source, output))


@setup.command("sources", help=_("mparchive.help.sources.summary"))
def sources_command(
    account: Annotated[str | None, typer.Option(help=_("mparchive.help.sources.account"))] = None,
    json: Json = False,
) -> None:
    """Show what each source of an account listed."""
    from mparchive.commands.sources import print_sources

    raise typer.Exit(print_sources(account, json))


@setup.command("discover", help=_("mparchive.help.discover.summary"))
def discover_command(
    account: Account = None,
    only: Annotated[list[str] | None, typer.Option(help=_("mparchive.help.discover.only"))] = None,
    whole: Annotated[bool, typer.Option("--all", help=_("mparchive.help.discover.all"))] = False,
    json: Json = False,
) -> None:
    """Check all sources now."""
    from mparchive.commands.discover import discover_now

    raise typer.Exit(discover_now(account, only or [], whole, json))


@setup.command("login", help=_("mparchive.help.login.summary"))
def login_command(
    service: Annotated[Literal["weread"], typer.Argument(help=_("mparchive.help.login.service"))],
    name: Annotated[str, typer.Option("--name", help=_("mparchive.help.login.name"))] = "default",
    wait: Annotated[int, typer.Option("--wait", min=10, max=600, help=_("mparchive.help.login.wait"))] = 180,
    headed: Annotated[bool, typer.Option("--window", help=_("mparchive.help.login.window"))] = False,
) -> None:
    """Sign in to a service."""
    from mparchive.commands.login import LoginOptions, log_in

    raise typer.Exit(log_in(LoginOptions(name, wait, headed)))
