"""Check what the database derives: counters, and the list of changes, against the tables they follow from."""

from archive.domain.messages import Message
from archive.integrity.check import FIRST_ID, BatchResult, Check, Finding, RowRange
from archive.repository.derived import counter_differences, posts_with_other_changes

DERIVED = "derived"  # name of the check

ACCOUNTS_AT_ONCE = 1_000_000  # all accounts: counters are compared as a whole


def check_derived(rows: RowRange) -> BatchResult:
    """Check once that counters and listed changes are what the tables say."""
    if rows.after != FIRST_ID:
        return BatchResult()
    result = BatchResult(rows=1)
    for counter, kept, counted in counter_differences(rows.session):
        params = {"counter": counter, "kept": kept, "counted": counted}
        message = Message("archive.integrity.counter_differs", params)
        result.findings.append(Finding(DERIVED, "counters", None, message))
    message = Message("archive.integrity.changes_differ")
    for post_id in posts_with_other_changes(rows.session):
        result.findings.append(Finding(DERIVED, "changes", post_id, message))
    return result


DERIVED_CHECK = Check(DERIVED, "accounts", ACCOUNTS_AT_ONCE, check_derived)
