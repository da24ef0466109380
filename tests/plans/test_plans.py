"""No statement of the daemon, of an import or of the web reads or sorts a large table as a whole.

The program runs on a large archive. Each statement that it sends is explained at that moment, and executed
for that: what counts is how many rows a step of its plan reads, not what the planner expects.
"""

import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine

from archive.db.engine import Readers, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.revisit_policy import INTERVALS
from archive.ingest.pages import import_records
from archive.repository import frontier, runs
from archive.repository.frontier import claim_due
from archive.repository.media import due_media
from archive.repository.revisits import due_revisits
from archive.repository.sources import SourceReport, record_report
from archive.storage.media_files import MediaFolder
from scheduler.config import load_config
from scheduler.daemon import CurrentConfig, JobPlanner
from scheduler.jobs import report
from scheduler.jobs.base import JobContext, record_outcome
from scheduler.polling import Work
from tests.archive.making import record
from tests.plans.explaining import Explained, Offence, explaining
from tests.plans.large_archive import BIZ, NOW
from tests.web.seeding import invented, page_of, put_pages
from tests.web.served import served
from web.app import create_app
from web.auth import OPEN
from web.inbox.routes import LinkInbox

AID = "1000050_1"
CONFIG = f"""
[[accounts]]
biz = "{BIZ}"
name = "合成账号1"
albums = ["1"]
"""
VALUES = {
    "biz": BIZ,
    "aid": AID,
    "number": "1",
    "form": "bibtex",
    "sha256": "0" * 64,
    "name": "style.css",
}
QUERIES = {
    "/": (
        "",
        "?account=合成账号1",
        "?kind=picture",
        "?since=2026-01-01",
        "?changed=edited&account=合成账号1",
        "?order=title",
    ),
    "/changes": ("", f"?account={BIZ}", "?kind=edited", "?since=2026-02-01"),
    "/api/v1/changes": ("", f"?account={BIZ}", "?kind=removed"),
    "/api/v1/posts": ("", f"?account={BIZ}", "?since=2026-01-01", "?kind=video"),
    "/search": ("?q=合成标题777", "?q=合成", "?q=77 -78", f"?q=正文&account={BIZ}"),
    "/api/v1/search": ("?q=合成标题777", "?q=正文"),
    "/s": ("?__biz=x",),
    **{  # a download reads all of its posts, and of more than 5,000 none: so here of few
        f"{place}/posts.{ending}": ("?q=合成标题777",)
        for place in ("/downloads", "/api/v1")
        for ending in ("csv", "xlsx", "jsonl", "sqlite")
    },
    "/api/v1/posts/{biz}/{aid}/difference": ("?before=1&after=1",),
}


# Statements that read many rows all the same, each with the reason.
ALLOWED = {
    ("making posts due again", ""): "the age of each post decides, and is nowhere stored: once in 15 minutes",
    ("planning revisit", ""): "the same",
    ("/accounts/", "post_links"): "which posts of the account others link to: the gaps are read by a person",
    ("/?changed=edited&account=", "posts"): "few posts of one account are edited: all days are gone through",
}


@pytest.fixture
def explained(large: Engine) -> Iterator[Explained]:
    """Yield what explains the statements of a test."""
    with explaining(of=str(large.url.database)) as found:
        yield found


def offences_of(explained: Explained) -> str:
    """Return what is wrong, a line for each; statements were explained."""
    assert explained.statements
    return "".join(f"\n{one}" for one in explained.offences.values() if not is_allowed(one))


def is_allowed(offence: Offence) -> bool:
    return any(offence.during.startswith(during) and what in offence.what for during, what in ALLOWED)


@pytest.fixture
def planner(large: Engine, tmp_path: Path) -> JobPlanner:
    config = tmp_path / "mparchive.toml"
    config.write_text(CONFIG)
    context = JobContext(large, "home", threading.Event(), lambda: NOW)
    return JobPlanner(context, CurrentConfig(config))


def test_the_daemons_tick_reads_no_large_table(
    planner: JobPlanner, explained: Explained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path))
    context = planner.context
    for work in Work:
        with explained.doing(f"planning {work}"):
            planner.plan(work)
    with explained.doing("the report"):
        report.run_report(context, load_config(planner.current.path))
    with explained.doing("claiming"), transaction(context.engine) as session:
        runs.close_abandoned_runs(session, Work.FETCH, context.egress, NOW)
        run_id, due = claim_due(session, Work.FETCH, context.egress, 100, NOW)
        assert len(due) == 100
    with explained.doing("crawling"), transaction(context.engine) as session:
        frontier.due_addresses(session, NOW, 100, run_id)
        frontier.addresses_of_run(session, run_id)
    with explained.doing("ending a crawl"):
        with transaction(context.engine) as session:
            runs.close_run(session, run_id, "failed", NOW)
        record_outcome(context, "verification")
    with explained.doing("making posts due again"), transaction(context.engine) as session:
        ids = due_revisits(session, INTERVALS, NOW, 50)
        assert ids
        frontier.make_due(session, ids, NOW, again=True)
    with explained.doing("media"), transaction(context.engine) as session:
        assert due_media(session, NOW, 100, types=["image", "style"])
    with explained.doing("discovering"), transaction(context.engine) as session:
        address = parse_address(f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=5&idx=1&sn={5:032x}")
        seen = [SightingData(address, "album", NOW)]
        record_report(session, run_id, SourceReport(BIZ, "album:1", "ok", True, sightings=seen), NOW)
    assert not offences_of(explained)


def test_the_import_of_a_page_and_of_a_record_reads_no_large_table(
    large: Engine, explained: Explained
) -> None:
    with explained.doing("importing pages"), transaction(large) as session:
        run_id = runs.start_run(session, "backfill", {}, NOW)
        pages = [invented(f"{number}_1", "合成标题", "合成正文") for number in range(700, 703)]
        put_pages(session, list(map(page_of, pages)), NOW, run_id)
        put_pages(session, [page_of(invented("700_1", "合成标题", "另一合成正文"))], NOW, run_id)
    with explained.doing("media of a run"), transaction(large) as session:
        due_media(session, NOW, 100, types=["image", "style"], run_id=run_id)
    with explained.doing("importing a record"), transaction(large) as session:
        import_records(session, run_id, [record(1), record(2)], "dump", NOW)
    assert not offences_of(explained)


def paths(large: Engine) -> Iterator[str]:
    """Yield the path of every page and of every answer for programs, with some queries."""
    with Readers(large) as readers:
        inbox = LinkInbox(large, "", lambda: NOW, float)
        app = create_app(inbox, readers, MediaFolder(ArchiveSettings()), lambda: NOW, float, OPEN)
    for pattern in sorted(set(_patterns(app.routes))):
        path = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: quote(VALUES.get(found[1], "1")), pattern)
        for query in QUERIES.get(pattern, ("",)):
            yield path + quote(query, safe="?=&")


def _patterns(routes: Iterable[Any], prefix: str = "") -> Iterator[str]:
    """Yield the path of each route that answers GET, also of the routers that FastAPI includes lazily."""
    for route in routes:
        if isinstance(route, APIRoute) and "GET" in route.methods:
            yield prefix + route.path
        elif included := getattr(route, "include_context", None):
            yield from _patterns(route.original_router.routes, prefix + included.prefix)


def test_no_page_and_no_answer_for_programs_reads_a_large_table(large: Engine, explained: Explained) -> None:
    with served(large, now=NOW) as web:
        found = list(paths(large))
        assert {"/metrics", "/readyz", "/health", "/api/v1/status", "/api/v1/accounts"} <= set(found)
        for path in found:
            web.seconds += 60
            with explained.doing(path):
                answer = web.ask("GET", path)
            assert answer.status in {200, 302, 303, 307, 404} or path == "/readyz", (path, answer.body[:300])
    assert not offences_of(explained)
