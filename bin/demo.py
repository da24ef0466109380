"""An invented week of an account, visited three times, archived in ./demo-output: `make demo`.

Everything is replayed from cassettes/ through the real program; nothing is asked of the network.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Post
from archive.db.settings import ArchiveSettings
from archive.domain.outcomes import Role
from archive.repository import captures as captures_repository
from archive.repository import post_queries
from archive.repository.media import media_of
from crawler.browser.launch_options import REMEDY

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "demo-output"
HOME = OUTPUT / "archive"
PAGES = OUTPUT / "pages"
COMMAND = Path(sys.executable).with_name("mparchive")
WEEK = Path("cassettes/week.txt")
VISITS = (
    ("The first visit. At one post the server demands verification, so the run stops there.", 5, ()),
    ("Half an hour later, the same command: only what is not archived yet is asked for.", 0, ()),
    ("A week later, all of them again: one was edited meanwhile, one was deleted.", 0, ("--again",)),
)
WORD = "新型储能"
READING_ROOM = "http://127.0.0.1:8788/"  # of `mparchive serve`
TIME = 300  # seconds for one command; a visit takes about ten
console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Three visits, a dump, and a table of what became of each post."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    HOME.mkdir(parents=True)
    PAGES.mkdir()
    settings = ArchiveSettings(home=HOME, database_url=None)
    with open_archive(settings) as engine:  # held open: the commands then need not start it each time
        for number, (words, expected, options) in enumerate(VISITS, 1):
            console.print(f"\n[bold]{number}. {words}[/bold]")
            cassette = Path(f"cassettes/week-{number}.yaml")
            run("backfill", str(WEEK), "--replay", str(cassette), *options, expected=expected)
        console.print(
            "\n[bold]4. Write the archive out: as the dump its users' tools read, and as pages.[/bold]"
        )
        run("export", "--output", str(OUTPUT.relative_to(ROOT)), expected=0)
        run("export", "--format", "html", "--output", str(PAGES.relative_to(ROOT)), expected=0)
        console.print("\n[bold]5. Find words in it, and hold every byte against its hash.[/bold]")
        run("search", WORD, "--limit", "3", expected=0)
        run("verify", expected=0)
        with transaction(engine) as session:
            console.print(what_happened(session))
            drawn = any(capture["rendered"] for capture in all_captures(session))
    farewell(without_browser=not drawn)


def run(*arguments: str, expected: int) -> None:
    """Run the command as a person would; end the demo when it ends otherwise than it should."""
    console.print(f"$ mparchive {' '.join(arguments)}", style="cyan", markup=False)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MPARCHIVE_")}
    kept = {name: os.environ[name] for name in ("MPARCHIVE_CHROMIUM",) if name in os.environ}
    environment = {**inherited, **kept, "MPARCHIVE_HOME": str(HOME)}
    done = subprocess.run([COMMAND, *arguments], cwd=ROOT, env=environment, timeout=TIME, check=False)  # noqa: S603 - our own command
    if done.returncode != expected:
        raise SystemExit(f"that ended with exit code {done.returncode}, {expected} was expected")


def what_happened(session: Session) -> Table:
    """One row a post, newest first, in words that need no explanation."""
    table = Table(
        title="\nWhat became of each post", title_justify="left", title_style="bold", pad_edge=False
    )
    for heading in ("published", "kind"):
        table.add_column(heading, no_wrap=True)
    table.add_column("title", overflow="fold")
    table.add_column("pictures", justify="right", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    for record in post_queries.records(session):
        (post,) = post_queries.find_posts(session, record.aid)
        table.add_row(record.date, post.kind, post.title, _pictures(session, post), _fate(session, post))
    return table


def _pictures(session: Session, post: Post) -> str:
    shown = [medium for medium in media_of(session, post) if medium.role == Role.IMAGE]
    kept = sum(medium.file is not None for medium in shown)
    return f"{kept} of {len(shown)}" if shown else ""


def all_captures(session: Session) -> Iterator[dict[str, Any]]:
    """What is known of each answer that was kept for a post."""
    for record in post_queries.records(session):
        for post in post_queries.find_posts(session, record.aid):
            yield from captures_repository.list_captures(session, post)


def _fate(session: Session, post: Post) -> str:
    captures = captures_repository.list_captures(session, post)
    if captures[0]["outcome"] != "article":
        return f"{captures[0]['outcome']} later; its text is kept"
    if any(capture["rendered"] for capture in captures):
        return "archived; a browser drew its text"
    if len(post_queries.versions_of(session, post)) > 1:
        return "edited later; both texts are kept"
    if any(capture["outcome"] == "verification" for capture in captures):
        return "archived at the second visit"
    return "archived"


def farewell(*, without_browser: bool) -> None:
    """What was left where, and what to try next."""
    if without_browser:
        console.print(f"No browser works here, so the audio post lacks its text: {REMEDY}.")
    (dump,) = OUTPUT.glob("*.json")
    console.print(
        f"\nThe dump: {dump.relative_to(ROOT)}. The posts as pages: {PAGES.relative_to(ROOT)}/index.html."
    )
    console.print(f"The archive: {HOME.relative_to(ROOT)}. Try next:")
    here = f"MPARCHIVE_HOME={HOME.relative_to(ROOT)} .venv/bin/mparchive"
    for line in (
        "status",
        "show 2650001001_3 --history",
        "show 2650001002_2 --open",
        "audit",
        "export --format csv --output week.csv",
    ):
        console.print(f"  {here} {line}")
    console.print(
        "  .venv/bin/mparchive backfill YOUR-DUMP.json   (fetches for real, one page every 6 seconds)"
    )
    console.print(f"\nThe reading room: {here} serve\n  then open {READING_ROOM}")


if __name__ == "__main__":
    main()
