"""Which fetches there are to do, by what is due, which egress may do them, and the day's budget."""

import threading

from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.db.models import Run
from archive.repository import egress
from archive.repository.frontier import due_addresses
from scheduler.config import Limits
from scheduler.jobs import fetch
from scheduler.jobs.base import JobContext
from tests.archive.repository.test_claims import publish
from tests.scheduler.jobs.planning import DAY, EGRESSES, HOUR, LIMITS, NOW, sight


def test_each_free_egress_gets_a_job_while_an_address_is_due(context: JobContext, engine: Engine) -> None:
    assert fetch.plan_fetch(context, LIMITS, EGRESSES) == []
    sight(engine)
    assert [job.subject for job in fetch.plan_fetch(context, LIMITS, EGRESSES)] == EGRESSES
    with transaction(engine) as session:
        egress.block_egress(session, "home", "verification", NOW)
    (job,) = fetch.plan_fetch(context, LIMITS, EGRESSES)
    assert (job.queue, job.lock) == ("line:office", "office:mp.weixin.qq.com")


def test_a_job_whose_egress_was_blocked_meanwhile_asks_nothing(context: JobContext, engine: Engine) -> None:
    sight(engine)
    with transaction(engine) as session:
        egress.block_egress(session, "home", "verification", NOW)
    fetch.run_fetch(context, pages=9, minutes=1)  # a crawl would need a server
    assert len(fetch.plan_fetch(context, LIMITS, ["office"])) == 1


def test_a_job_whose_egress_is_in_use_waits_for_nothing(context: JobContext, engine: Engine) -> None:
    sight(engine)
    with egress_lock(engine, "home", Hosts.PAGES), egress_lock(engine, "home", Hosts.MEDIA):
        fetch.run_fetch(context, pages=9, minutes=1)  # a crawl would need a server
        fetch.run_media(context, minutes=1)
    with transaction(engine) as session:
        assert session.query(Run).count() == 0
    assert len(fetch.plan_fetch(context, LIMITS, ["home"])) == 1


def test_nothing_due_makes_no_job_of_media_or_revisits(context: JobContext) -> None:
    assert fetch.plan_media(context, LIMITS, EGRESSES) == []
    assert fetch.plan_revisit(context, LIMITS, EGRESSES) == []


def test_the_days_budget_of_revisits_is_kept(context: JobContext, engine: Engine) -> None:
    with transaction(engine) as session:
        for mid in (1, 2, 3):
            publish(session, mid, NOW - 2 * HOUR, NOW.date(), visited=NOW - 1.9 * HOUR)
    assert len(fetch.plan_revisit(context, LIMITS, EGRESSES)) == 1
    (job,) = fetch.plan_revisit(context, Limits(revisits_a_day=2), EGRESSES)
    fetch.run_revisit(context, **job.arguments)
    assert _due(engine) == 2
    assert fetch.plan_revisit(context, Limits(revisits_a_day=2), EGRESSES) == []
    tomorrow = JobContext(engine, "home", threading.Event(), now=lambda: NOW + DAY)
    assert len(fetch.plan_revisit(tomorrow, Limits(revisits_a_day=2), EGRESSES)) == 1


def _due(engine: Engine) -> int:
    with transaction(engine) as session:
        return len(due_addresses(session, NOW, 10))
