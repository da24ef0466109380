"""The API conforms to its OpenAPI description, and never fails with 500."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from sqlalchemy import Engine

from archive.db.engine import Readers, transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records
from archive.repository.sources import SourceReport, record_report
from archive.storage.media_files import MediaFolder
from tests.archive.making import BIZ, NOW, record
from web.app import create_app
from web.inbox.routes import LinkInbox

CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]
EXAMPLES = 12  # of each path
MANY = 12  # paths at least, else the description is not the whole one


def test_every_answer_conforms_to_the_description(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(number) for number in range(1, 6)], "dump", NOW)
        record_report(session, None, SourceReport(BIZ, "list", "ok", good=True), NOW)  # else it is not ready
    with Readers(engine) as readers:
        inbox = LinkInbox(engine, "", lambda: NOW)
        app = create_app(inbox, readers, MediaFolder(ArchiveSettings()), lambda: NOW, lambda: 0.0)
        described = schemathesis.openapi.from_asgi("/openapi.json", app)
        operations = [one.ok() for one in described.get_all_operations()]  # type: ignore[union-attr]  # else it fails, as it should
        assert len(operations) > MANY
        for operation in operations:
            ask_as_described(operation)


def ask_as_described(operation: Any) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(operation.as_strategy())
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
