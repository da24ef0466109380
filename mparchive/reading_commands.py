"""The commands that read the archive: export, search, list, changes, cite and show.

Each imports its work when it is called, as in mparchive.cli.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from archive.domain.day_ranges import chosen_days
from archive.domain.messages import Message
from archive.domain.outcomes import ChangeKind, CitationFormat, Kind, PostCount, PostOrder
from archive.system.catalogues import catalogue, process_language
from mparchive.errors import CommandError
from mparchive.options import (
    Account,
    Biz,
    Changed,
    Format,
    Json,
    Limit,
    OptionalChangedValue,
    OptionalDiffValue,
    SearchWords,
    Since,
    Until,
    Week,
    chosen_view,
    export_target,
    format_of,
)

_ = catalogue("mparchive", process_language()).gettext  # the texts of --help

reading = typer.Typer()


@reading.command("export", help=_("mparchive.help.export.summary"), cls=OptionalChangedValue)
def export_command(
    form: Annotated[
        Format | None, typer.Option("--format", "-f", help=_("mparchive.help.export.format"))
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="PATH", help=_("mparchive.help.export.output"))
    ] = None,
    account: Account = None,
    kind: Annotated[Kind | None, typer.Option(help=_("mparchive.help.search.kind"))] = None,
    since: Since = None,
    until: Until = None,
    week: Week = None,
    changed: Changed = None,
    query: Annotated[
        str, typer.Option("--query", metavar="WORDS", help=_("mparchive.help.export.query"))
    ] = "",
    version_at: Annotated[
        str | None, typer.Option("--version-at", metavar="DAY", help=_("mparchive.help.export.version_at"))
    ] = None,
    save_head: Annotated[
        Path | None, typer.Option("--save-head", help=_("mparchive.help.export.save_head"))
    ] = None,
) -> None:
    """Write archived posts to files."""
    from archive.repository.capture_selection import Selection
    from mparchive.commands.export import export

    _, day = chosen_days(until=version_at)
    selection = Selection(account, kind, *chosen_days(since, until, week), changed, query, version_at=day)
    target = export_target(output)
    raise typer.Exit(export(format_of(form, target), target, selection, save_head))


@reading.command("search", help=_("mparchive.help.search.summary"), cls=SearchWords)
def search_command(
    words: Annotated[list[str] | None, typer.Argument(help=_("mparchive.help.search.words"))] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=10_000, help=_("mparchive.help.search.limit"))
    ] = 20,
    account: Account = None,
    kind: Annotated[Kind | None, typer.Option(help=_("mparchive.help.search.kind"))] = None,
    since: Since = None,
    until: Until = None,
    week: Week = None,
    changed: Changed = None,
    order: Annotated[
        Literal["date", "relevance"], typer.Option(help=_("mparchive.help.search.order"))
    ] = "date",
    rebuild: Annotated[bool, typer.Option("--rebuild", help=_("mparchive.help.search.rebuild"))] = False,
    json: Json = False,
) -> None:
    """Search the posts, or rebuild the search index."""
    from archive.repository.post_queries import PostFilter
    from mparchive.commands.search import SearchOptions, rebuild_index, search_posts

    if rebuild and words:
        raise CommandError(Message("mparchive.search.words_or_rebuild"))
    if rebuild:
        raise typer.Exit(rebuild_index(json))
    chosen = PostFilter(account, kind, *chosen_days(since, until, week), changed)
    options = SearchOptions(words or [], chosen, order, limit, json)
    raise typer.Exit(search_posts(options))


@reading.command("list", help=_("mparchive.help.list.summary"), cls=OptionalChangedValue)
def list_command(
    account: Account = None,
    kind: Annotated[Kind | None, typer.Option(help=_("mparchive.help.search.kind"))] = None,
    since: Since = None,
    until: Until = None,
    week: Week = None,
    changed: Changed = None,
    sort: Annotated[PostOrder, typer.Option(help=_("mparchive.help.list.sort"))] = PostOrder.NEWEST,
    count_by: Annotated[PostCount | None, typer.Option(help=_("mparchive.help.list.count_by"))] = None,
    limit: Limit = None,
    json: Json = False,
) -> None:
    """List posts."""
    from archive.repository.post_queries import PostFilter
    from mparchive.commands.list import ListOptions, list_archived

    chosen = PostFilter(account, kind, *chosen_days(since, until, week), changed)
    raise typer.Exit(list_archived(ListOptions(chosen, sort, count_by, limit, json)))


@reading.command("changes", help=_("mparchive.help.changes.summary"))
def changes_command(
    kind: Annotated[list[ChangeKind] | None, typer.Option(help=_("mparchive.help.changes.kind"))] = None,
    account: Account = None,
    since: Since = None,
    until: Until = None,
    week: Week = None,
    limit: Limit = None,
    json: Json = False,
) -> None:
    """List what changed."""
    from mparchive.commands.changes import list_changes

    days = chosen_days(since, until, week)
    raise typer.Exit(list_changes(account, kind or [], days, limit, json))


@reading.command("cite", help=_("mparchive.help.cite.summary"))
def cite_command(
    posts: Annotated[list[str], typer.Argument(metavar="POST...", help=_("mparchive.help.cite.posts"))],
    form: Annotated[
        CitationFormat, typer.Option("--format", "-f", help=_("mparchive.help.cite.format"))
    ] = CitationFormat.GBT7714,
    version: Annotated[int | None, typer.Option(min=1, help=_("mparchive.help.cite.version"))] = None,
    account: Biz = None,
) -> None:
    """Print citations of posts."""
    from mparchive.commands.cite import cite

    raise typer.Exit(cite(posts, account, form, version))


@reading.command("show", help=_("mparchive.help.show.summary"), cls=OptionalDiffValue)
def show_command(
    post: Annotated[str, typer.Argument(help=_("mparchive.help.show.aid"))],
    text: Annotated[bool, typer.Option("--text", help=_("mparchive.help.show.text"))] = False,
    raw: Annotated[bool, typer.Option("--raw", help=_("mparchive.help.show.raw"))] = False,
    history: Annotated[bool, typer.Option("--history", help=_("mparchive.help.show.history"))] = False,
    diff: Annotated[str | None, typer.Option(metavar="[N..M]", help=_("mparchive.help.show.diff"))] = None,
    version: Annotated[int | None, typer.Option(min=1, help=_("mparchive.help.show.version"))] = None,
    links: Annotated[bool, typer.Option("--links", help=_("mparchive.help.show.links"))] = False,
    html: Annotated[bool, typer.Option("--html", help=_("mparchive.help.show.html"))] = False,
    in_browser: Annotated[bool, typer.Option("--open", help=_("mparchive.help.show.open"))] = False,
    account: Biz = None,
    json: Json = False,
) -> None:
    """Print one post."""
    flags = {"text": text, "raw": raw, "history": history, "links": links, "html": html, "open": in_browser}
    flags |= {"diff": diff is not None, "version": version is not None}
    view = chosen_view(flags, json)
    from mparchive.commands.show import show

    raise typer.Exit(show(post, account, view, versions=diff or "", version=version or 1, as_json=json))
