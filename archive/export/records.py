"""Records as bytes, each on its own: one that cannot be written costs no other."""

from collections.abc import Callable, Iterable, Iterator

from archive.export.written import Written
from archive.record import Record


def encoded(
    records: Iterable[Record], encode: Callable[[Record], bytes], left_out: Written | None
) -> Iterator[bytes]:
    """The bytes of each record; one that has none is told to `left_out`, without which it raises."""
    for record in records:
        if left_out is None:
            yield encode(record)
            continue
        line = None
        with left_out.apart(f"post {record.aid} of {record.account}"):
            line = encode(record)
        if line is not None:
            yield line
