"""End-to-end demo with made-up data: archive one week of an account in ./demo-output (`make demo`).

The real program replays cassettes/; nothing is requested from the network.
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
from archive.repository.versions import versions_of
from crawler.browser.launch_options import REMEDY

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "demo-output"
HOME = OUTPUT / "archive"
PAGES = OUTPUT / "pages"
COMMAND = Path(sys.executable).with_name("mparchive")
WEEK = Path("cassettes/week.txt")
VISITS = (
    (
        "First visit. The server demands verification at one post, and the run stops there (exit code 5).",
        5,
        (),
    ),
    ("Half an hour later, the same command fetches what is not archived yet.", 0, ()),
    ("A week later, all posts again: one was edited meanwhile, one was deleted.", 0, ("--again",)),
)
WORD = "新型储能"
WEB_INTERFACE = "http://127.0.0.1:8788/"  # of `mparchive serve`
TIME = 300  # seconds for one command; a visit takes about ten
console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Run three visits and two exports, verify the archive, and print the result for each post."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    HOME.mkdir(parents=True)
    PAGES.mkdir()
    console.print("End-to-end demo with made-up data; nothing is requested from the network.")
    settings = ArchiveSettings(home=HOME, database_url=None)
    with open_archive(
        settings
    ) as engine:  # kept open, so that the commands need not start the server each time
        for number, (text, expected, options) in enumerate(VISITS, 1):
            console.print(f"\n[bold]{number}. {text}[/bold]")
            cassette = Path(f"cassettes/week-{number}.yaml")
            run("backfill", str(WEEK), "--replay", str(cassette), *options, expected=expected)
        console.print(
            "\n[bold]4. Export the archive: as the JSON file that scripts read, and as web pages.[/bold]"
        )
        run("export", "--output", str(OUTPUT.relative_to(ROOT)), expected=0)
        run("export", "--format", "html", "--output", str(PAGES.relative_to(ROOT)), expected=0)
        console.print("\n[bold]5. Search it, and verify every row, page and file against its hash.[/bold]")
        run("search", WORD, "--limit", "3", expected=0)
        run("verify", expected=0)
        with transaction(engine) as session:
            console.print(result_table(session))
            rendered = any(capture["rendered"] for capture in all_captures(session))
    print_next_steps(without_browser=not rendered)


def run(*arguments: str, expected: int) -> None:
    """Run the command as a user would. Raises SystemExit when its exit code is not the expected one."""
    console.print(f"$ mparchive {' '.join(arguments)}", style="cyan", markup=False)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MPARCHIVE_")}
    chosen = {
        name: os.environ[name] for name in ("MPARCHIVE_CHROMIUM", "MPARCHIVE_LANG") if name in os.environ
    }
    environment = {**inherited, **chosen, "MPARCHIVE_HOME": str(HOME)}
    done = subprocess.run([COMMAND, *arguments], cwd=ROOT, env=environment, timeout=TIME, check=False)  # noqa: S603 - our own command
    if done.returncode != expected:
        raise SystemExit(f"the command ended with exit code {done.returncode} instead of {expected}")


def result_table(session: Session) -> Table:
    """Return a table with one row per post, newest first."""
    table = Table(title="\nResult for each post", title_justify="left", title_style="bold", pad_edge=False)
    for heading in ("published", "kind"):
        table.add_column(heading, no_wrap=True)
    table.add_column("title", overflow="fold")
    table.add_column("pictures", justify="right", no_wrap=True)
    table.add_column("result", overflow="fold")
    for record in post_queries.records(session):
        (post,) = post_queries.find_posts(session, record.aid)
        table.add_row(record.date, post.kind, post.title, _pictures(session, post), _result(session, post))
    return table


def _pictures(session: Session, post: Post) -> str:
    shown = [medium for medium in media_of(session, post) if medium.role == Role.IMAGE]
    stored = sum(medium.file is not None for medium in shown)
    return f"{stored} of {len(shown)}" if shown else ""


def all_captures(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the captures of all posts."""
    for record in post_queries.records(session):
        for post in post_queries.find_posts(session, record.aid):
            yield from captures_repository.list_captures(session, post)


def _result(session: Session, post: Post) -> str:
    captures = captures_repository.list_captures(session, post)
    if captures[0]["outcome"] != "article":
        return f"archived; {captures[0]['outcome']} later, its text remains stored"
    if any(capture["rendered"] for capture in captures):
        return "archived; rendered in a browser"
    if len(versions_of(session, post)) > 1:
        return "archived; edited later, both versions are stored"
    if any(capture["outcome"] == "verification" for capture in captures):
        return "archived at the second visit"
    return "archived"


def print_next_steps(*, without_browser: bool) -> None:
    """Print where the results are, and what to try next."""
    if without_browser:
        console.print(f"No browser works here, so the audio post has no text: {REMEDY}.")
    (dump,) = OUTPUT.glob("*.json")
    console.print(f"\nJSON file: {dump.relative_to(ROOT)}. Web pages: {PAGES.relative_to(ROOT)}/index.html.")
    console.print(f"Archive: {HOME.relative_to(ROOT)}. Try next:")
    here = f"MPARCHIVE_HOME={HOME.relative_to(ROOT)} .venv/bin/mparchive"
    for line in (
        "status",
        "show 2650001001_3 --history",
        "show 2650001002_2 --open",
        "audit",
        "export --format csv --output week.csv",
        f"serve          (web interface at {WEB_INTERFACE})",
    ):
        console.print(f"  {here} {line}")
    console.print(
        "\nThe installed command is .venv/bin/mparchive. To archive real posts, one page every six seconds:"
    )
    console.print("  .venv/bin/mparchive backfill YOUR-DUMP.json")


if __name__ == "__main__":
    main()
