"""The console command `mparchive`: reads the command line, calls the work, sets the exit code.

A command imports its work when it is called: all of it takes a second, which no other command should wait.
"""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from archive.domain.outcomes import Kind
from mparchive.console import say
from mparchive.errors import EXPLAINED, STOPPED, CommandError, Exit, error_message
from mparchive.options import Format, LastTwo
from scheduler.crawl_process import import_before_forking

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=EXPLAINED,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")]

Day = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="YYYY-MM-DD, Asia/Shanghai, included.")
]

Account = Annotated[str | None, typer.Option(help="Name or __biz of the account.")]


@app.callback()
def mparchive() -> None:
    """Archive the posts of WeChat official accounts: pages, text and history, in Postgres."""


@app.command()
def backfill(
    what: Annotated[
        list[str],
        typer.Argument(
            help="Dump, list (txt, csv), address, saved page, WARC, a folder of them; - for stdin."
        ),
    ],
    url: Annotated[str | None, typer.Option(help="The address a saved page came from.")] = None,
    since: Day = None,
    until: Day = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take at most so many.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken; write nothing.")
    ] = False,
    no_fetch: Annotated[bool, typer.Option("--no-fetch", help="Take the input in, fetch no page.")] = False,
    no_media: Annotated[bool, typer.Option("--no-media", help="Only the pages, not their images.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also fetch what is archived already.")] = False,
    replay: Annotated[
        Path | None, typer.Option(help="Answer from this cassette, never from the network.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Record what goes over the wire to this cassette.")
    ] = None,
    json: Json = False,
) -> None:
    """Take posts over from files and addresses, and fetch their pages; resumable at any moment."""
    from mparchive.commands.backfill import BackfillOptions
    from mparchive.commands.backfill import backfill as run_backfill

    days = _days(since, until)
    wanted = BackfillOptions(
        what=tuple(what),
        url=url,
        since=days[0],
        until=days[1],
        limit=limit,
        dry_run=dry_run,
        fetch=not no_fetch,
        media=not no_media,
        again=again,
        replay=replay,
        record=record,
        json=json,
    )
    raise typer.Exit(run_backfill(wanted))


@app.command()
def export(
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="dump is the JSON array users' tools read; html and markdown write a file a post; warc and"
            " wacz hold the pages as they were served.",
        ),
    ] = Format.DUMP,
    output: Annotated[
        Path | None, typer.Option(help="File, or a folder for one file an account or post; else stdout.")
    ] = None,
    account: Account = None,
    since: Day = None,
    until: Day = None,
) -> None:
    """Write the archived posts out, newest first."""
    from archive.repository.capture_selection import Selection
    from mparchive.commands.export import export as run_export

    chosen = Selection(account, *_days(since, until))
    raise typer.Exit(run_export(form, output, chosen))


@app.command(context_settings={"ignore_unknown_options": True})
def search(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Words that posts must have; a phrase '\"in quotes\"'; -word must not be in them."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Print at most so many.")] = 20,
    account: Account = None,
    kind: Annotated[Kind | None, typer.Option(help="Only posts of this kind.")] = None,
    since: Day = None,
    until: Day = None,
    order: Annotated[Literal["date", "relevance"], typer.Option(help="What comes first.")] = "date",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Compute anew what search reads.")] = False,
    json: Json = False,
) -> None:
    """Find the posts that have the words, newest first."""
    from mparchive.commands.search import SearchOptions, rebuild_index, search_posts

    if unknown := [word for word in words or [] if word.startswith("--")]:
        raise CommandError(f"there is no option {unknown[0]}; a word that begins so is given in quotes")
    if rebuild == bool(words):
        raise CommandError("give words to search for, or --rebuild alone")
    if rebuild:
        raise typer.Exit(rebuild_index(json))
    days = _days(since, until)
    raise typer.Exit(
        search_posts(SearchOptions(" ".join(words or []), account, kind, *days, order, limit, json))
    )


@app.command(cls=LastTwo)
def show(
    aid: Annotated[str, typer.Argument(help="mid_idx of the post.")],
    text: Annotated[bool, typer.Option("--text", help="Only its text.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The page as the server sent it, to the byte.")] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Its versions, pages and absences, in one time line.")
    ] = False,
    diff: Annotated[
        str | None, typer.Option(metavar="[N..M]", help="What changed: from version N to M, or in the last.")
    ] = None,
    links: Annotated[bool, typer.Option("--links", help="What it leads to.")] = False,
    html: Annotated[
        bool, typer.Option("--html", help="One page with all it shows, for any browser.")
    ] = False,
    opened: Annotated[bool, typer.Option("--open", help="Open that page in the browser.")] = False,
    account: Annotated[str | None, typer.Option(help="__biz, where several accounts have this aid.")] = None,
    json: Json = False,
) -> None:
    """Print one post."""
    views = {
        "text": text,
        "raw": raw,
        "history": history,
        "links": links,
        "html": html,
        "open": opened,
        "diff": diff is not None,
    }
    asked = [name for name, on in views.items() if on]
    if len(asked) > 1:
        raise CommandError(f"--{asked[0]} and --{asked[1]} exclude each other; give one of them")
    what = asked[0] if asked else "summary"
    if json and what not in ("summary", "history", "diff"):
        raise CommandError(f"--{what} and --json exclude each other; give one of them")
    from mparchive.commands.show import show as run_show

    raise typer.Exit(run_show(aid, account, what, versions=diff or "", as_json=json))


@app.command()
def reparse(
    aid: Annotated[list[str] | None, typer.Argument(help="Only these posts (mid_idx).")] = None,
    account: Account = None,
    since: Day = None,
    until: Day = None,
    whole: Annotated[bool, typer.Option("--all", help="Also what today's parser has read.")] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write what changes, as versions marked so.")
    ] = False,
    json: Json = False,
) -> None:
    """Read kept pages again with today's parser: say what would change, or write it."""
    from archive.ingest.reparse import ReparseSelection
    from mparchive.commands.reparse import reparse as run_reparse

    days = _days(since, until)
    raise typer.Exit(
        run_reparse(ReparseSelection(tuple(aid or ()), account, *days, whole), apply=apply, as_json=json)
    )


@app.command()
def parse(
    file: Annotated[str, typer.Argument(help="A saved page, also gzipped; - for stdin.")],
    url: Annotated[str | None, typer.Option(help="The address it came from; old pages do not tell.")] = None,
    json: Json = False,
) -> None:
    """Say what a saved page is and what it says; needs no database."""
    from mparchive.commands.parse import parse as run_parse

    raise typer.Exit(run_parse(file, url, json))


@app.command()
def verify(
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these checks: seals, ties, chains, posts, absences, search, bytes, media, text."
        ),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Start over, also where an earlier one was stopped.")
    ] = False,
    head: Annotated[
        Path | None, typer.Option(help="Heads written down earlier: the chains must pass through them.")
    ] = None,
    save_head: Annotated[
        Path | None, typer.Option("--save-head", help="Write the heads of the chains to this file.")
    ] = None,
    json: Json = False,
) -> None:
    """Check that all is as it was archived: every row, page and file; resumable at any moment."""
    from mparchive.commands.verify import Verified
    from mparchive.commands.verify import verify as run_verify

    raise typer.Exit(run_verify(Verified(tuple(only or ()), anew, head, save_head, json)))


@app.command()
def status(json: Json = False) -> None:
    """How much there is, what is due, how the last run ended."""
    from mparchive.commands.status import status as run_status

    raise typer.Exit(run_status(json))


@app.command()
def audit(
    account: Account = None,
    since: Day = None,
    until: Day = None,
    fill: Annotated[
        bool, typer.Option("--fill", help="Ask for what is lacking, then say what is left.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many of a kind and account, shown or asked for.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what the archive lacks, how that is known, and what would fill it."""
    from mparchive.commands.audit import AuditOptions
    from mparchive.commands.audit import audit as run_audit

    days = _days(since, until)
    asked = AuditOptions(
        account=account,
        since=days[0],
        until=days[1],
        fill=fill,
        json=json,
        limit=limit,
    )
    raise typer.Exit(run_audit(asked))


@app.command()
def init(
    what: Annotated[
        str,
        typer.Argument(help="Address of any post; or a dump, list, saved page, app.json, a folder of them."),
    ],
    output: Annotated[
        str | None, typer.Option(help="File to write; - for stdout. Else mparchive.toml, here.")
    ] = None,
) -> None:
    """Write the configuration that watches an account; what can be found out is not asked."""
    from mparchive.commands.init import init as run_init

    raise typer.Exit(run_init(what, output))


@app.command()
def discover(
    account: Account = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only these sources, by name or kind: album, feed, neighbours …")
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="List all posts anew, not only the latest.")] = False,
    json: Json = False,
) -> None:
    """Look for new posts now: ask every source of the configured accounts, and print what each says."""
    from mparchive.commands.discover import discover_now

    raise typer.Exit(discover_now(account, only or [], whole, json))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; none is ever overwritten.")],
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not look whether the archive itself is sound.")
    ] = False,
) -> None:
    """Write the whole archive, database and media, to one file, and read that again."""
    from mparchive.commands.backup import back_up

    raise typer.Exit(back_up(file, verified=not no_verify))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `mparchive backup` wrote.")],
    check: Annotated[bool, typer.Option("--check", help="Only read it and check every byte.")] = False,
) -> None:
    """Restore a backup into an empty place, and verify what is there then."""
    from mparchive.commands.backup import restore_archive

    raise typer.Exit(restore_archive(file, only_check=check))


@app.command()
def run() -> None:
    """Keep the archive up to date by mparchive.toml, until told to stop (SIGTERM or Ctrl-C)."""
    from mparchive.commands.run import run_daemon

    raise typer.Exit(run_daemon())


@app.command()
def worker() -> None:
    """Add hands: do the jobs that `mparchive run` has put into the same database."""
    from mparchive.commands.run import run_worker

    raise typer.Exit(run_worker())


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 or :: for everywhere, behind TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8788,
    to_everybody: Annotated[
        bool, typer.Option("--to-everybody", help="Elsewhere than on loopback without a token or a proxy.")
    ] = False,
) -> None:
    """Open the reading room: the archive in a browser, as feeds and API, and POST /inbox."""
    from mparchive.commands.serve import serve as run_serve

    raise typer.Exit(run_serve(host, port, to_everybody))


def _days(since: datetime | None, until: datetime | None) -> tuple[date | None, date | None]:
    """Two options' days: typer reads only instants. Raises CommandError where none is between them."""
    first, last = since and since.date(), until and until.date()
    if first and last and first > last:
        raise CommandError(f"--since {first} is after --until {last}, so no day is chosen; swap them")
    return first, last


def main() -> NoReturn:
    """Entry point: every expected failure is one sentence on stderr and a documented exit code."""
    import_before_forking("mparchive.cli")  # which each fork would import anyway, as it is what runs here
    try:
        app()
    except SystemExit as ended:
        if ended.code == Exit.INTERRUPTED:  # typer's word for Ctrl-C
            say(STOPPED)
        raise
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has what it wanted
        sys.exit(Exit.DONE)
    except Exception as error:
        failure = error_message(error)
        if failure is None:
            raise
        _end(*failure)
    sys.exit(Exit.DONE)


def _end(message: str, code: Exit) -> NoReturn:
    say(message)
    sys.exit(code)
