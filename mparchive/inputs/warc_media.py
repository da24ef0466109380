"""The second reading of a WARC file, once its pages have been read: the files of what posts show."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from archive.address import HOST, parse_address, without_session
from archive.errors import AddressError
from archive.export.warc_records import MEDIUM_FIELD
from archive.text import index_key
from crawler.answer import Answer
from crawler.parse.media import media_key
from mparchive.inputs.flaw import Flaw, Passed
from mparchive.inputs.medium import Named, SavedMedium, Seek, Wanted
from mparchive.inputs.warc_answers import Answers, answer_of, proven
from mparchive.inputs.warc_records import MAX_HEAD, BadRecord, Record, records_of

AT_ONCE = 500  # records that are looked up together, of 1 kB
NO_ANSWER = "records that are no answers"
OTHER_HOST = "answers of other hosts"
NO_POST = f"answers of {HOST} that are no posts"
NO_FILE = "answers without a file (redirects, errors)"


def why_no_post(url: str) -> str:
    """Why an address is none of a post's; empty when it is one."""
    try:
        if urlsplit(url).hostname != HOST:
            return OTHER_HOST
        parse_address(without_session(url))
    except ValueError:  # it is no address at all
        return OTHER_HOST
    except AddressError:
        return NO_POST
    return ""


def may_be_medium(record: Record) -> bool:
    """Whether it could hold a media file: something at an address that is no post's."""
    is_held = record.get("WARC-Type") in ("response", "revisit", "resource")
    return is_held and bool(media_key(record.target) and why_no_post(record.target))


def read_media(stream: BinaryIO, name: str, seek: Seek) -> Iterator[SavedMedium | Flaw | Passed]:
    """The files of media that are sought, one in memory at a time; at the end what was passed over.

    What is wrong with the other records whoever read the pages has told.
    """
    passed: Counter[str] = Counter()
    answers = Answers(stream)
    records = (one for one in records_of(stream) if isinstance(one, Record) and may_be_medium(one))
    while some := list(islice(records, AT_ONCE)):
        for record, wanted in zip(some, seek([_named(record) for record in some]), strict=True):
            item = _item(record, wanted, stream, answers, name)
            if isinstance(item, str):
                passed[item] += 1
            else:
                yield item
    for what, count in passed.items():
        yield Passed(name, count, what)


def _named(record: Record) -> Named:
    address = media_key(record.target)
    return Named(address, index_key(unquote(record.get(MEDIUM_FIELD)) or address))


def _item(
    record: Record, wanted: tuple[Wanted, ...], stream: BinaryIO, answers: Answers, name: str
) -> SavedMedium | Flaw | str:
    """A file, what is wrong with it, or why it is passed over."""
    is_resource = record.get("WARC-Type") == "resource"
    if not wanted:
        if record.get("WARC-Type") == "response":
            answers.remember(record)
        return NO_ANSWER if is_resource else why_no_post(record.target)
    most = max(one.max_bytes for one in wanted) + MAX_HEAD
    try:
        _check_place(record)
        answer = _resource(record, stream, most) if is_resource else _answer(record, answers, most)
    except BadRecord as bad:
        return Flaw(name, record.where, str(bad))
    return SavedMedium(name, record.where, wanted, record.target, answer) if answer else NO_FILE


def _check_place(record: Record) -> None:
    """What is known by its address must be at it; others have a name of their own."""
    named = _named(record)
    if "://" in named.key and named.key.partition("?")[0] != named.address.partition("?")[0]:
        raise BadRecord(f"it is of {record.target[:120]}, and is said to be of {named.key[:120]}")


def _resource(record: Record, stream: BinaryIO, most: int) -> Answer:
    body = proven(record, record.block(stream, most))
    return Answer(None, record.target, record.target, 200, (), body, record.date)


def _answer(record: Record, answers: Answers, most: int) -> Answer | None:
    served = answers.of(record, most)
    return answer_of(record, record.target, served) if served.status == 200 else None
