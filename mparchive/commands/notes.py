"""`mparchive notes`: list what the reader noted of posts, or print all of it as JSON to take along."""

from dataclasses import asdict
from typing import Any

from rich.text import Text

from archive.db.engine import open_archive, transaction
from archive.domain.messages import Message
from archive.domain.records import SHANGHAI
from archive.repository.notes import NotedPost, noted_posts, saved_searches
from mparchive.console import out, print_json, say
from mparchive.errors import Exit


def list_notes(as_json: bool) -> Exit:
    """Print every post of which something is noted, the latest note first; as JSON saved searches too."""
    with open_archive() as engine, transaction(engine) as session:
        noted = noted_posts(session)
        searches = [
            {"name": one.name, "query": one.query, "saved_at": one.saved_at.isoformat()}
            for one in saved_searches(session)
        ]
    if as_json:
        print_json({"posts": [_as_json(one) for one in noted], "searches": searches})
    elif noted:
        for one in noted:
            _print_lines(one)
    else:
        say(Message("mparchive.notes.none"))
    return Exit.DONE


def _print_lines(one: NotedPost) -> None:
    """Print a post, its star and tags, and its note; the time is that of Beijing, and says so."""
    at = one.note.changed_at
    time = f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M} +08:00" if at else ""
    star, title = "★ " if one.note.is_starred else "", " ".join(one.title.split())
    out.print(Text.assemble(time, "  ", star, (one.aid, "cyan"), "  ", (title, "bold")))
    if one.note.tags:
        out.print(Text(f"    {'  '.join(f'#{tag}' for tag in one.note.tags)}"))
    for line in one.note.note.splitlines():
        out.print(Text(f"    {line}"))


def _as_json(one: NotedPost) -> dict[str, Any]:
    """Return a post with its note as JSON values; the instant is UTC."""
    values = asdict(one)
    note = values.pop("note")
    at = one.note.changed_at
    return {
        **values,
        "published_on": one.published_on.isoformat(),
        "starred": note["is_starred"],
        "tags": list(note["tags"]),
        "note": note["note"],
        "changed_at": at.isoformat() if at else None,
    }
