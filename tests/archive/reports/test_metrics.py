"""Test the metrics that a scrape of the archive gives."""

from datetime import timedelta

from sqlalchemy import Engine, create_engine

from archive.db.engine import transaction
from archive.ingest.pages import import_records
from archive.reports.metrics import ArchiveMetrics
from archive.repository.captures import store_captures
from archive.repository.egress import block_egress
from archive.repository.sources import SourceReport, record_report
from tests.archive.making import BIZ, NOW, capture, record


def samples(engine: Engine, at: timedelta = timedelta()) -> dict[tuple[str, ...], float]:
    """Collect all metrics; return the values by name and labels."""
    metrics = ArchiveMetrics(engine, lambda: NOW + at).collect()
    return {(sample.name, *sample.labels.values()): sample.value for one in metrics for sample in one.samples}


def test_a_scrape_counts_the_archive_and_shows_sources_and_egresses(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
        record_report(session, None, SourceReport(BIZ, "album:1", "closed", good=False), NOW)
        block_egress(session, "home", "verification", NOW)
        store_captures(session, None, [(None, capture())])
    values = samples(engine)
    assert (values["mparchive_up",], values["mparchive_posts",], values["mparchive_unread",]) == (1, 2, 1)
    assert values["mparchive_source_good", BIZ, "album:1"] == 0
    assert values["mparchive_source_failures", BIZ, "album:1"] == 1
    assert values["mparchive_egress_held", "home"] == 1
    assert samples(engine, timedelta(days=1))["mparchive_egress_held", "home"] == 0


def test_only_that_the_database_is_down_is_told_when_it_is() -> None:
    nowhere = create_engine("postgresql+psycopg://127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    assert samples(nowhere) == {("mparchive_up",): 0}
    nowhere.dispose()
