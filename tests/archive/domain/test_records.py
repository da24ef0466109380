"""Records: what is one, and that it comes out of a dump's bytes as it went in."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.errors import RecordError
from archive.domain.records import FIELDS, Record
from archive.export.records import write_dump
from tests.archive.making import any_record, record

GOOD = record().as_dict()
AID, TITLE, URL, DATE, ACCOUNT, TEXT = FIELDS


def without(name: str) -> dict[str, str]:
    """Make a record that lacks this field."""
    return {field: value for field, value in GOOD.items() if field != name}


def test_the_fields_are_the_dumps_in_the_dumps_order() -> None:
    assert list(GOOD) == ["文章标识符aid", "标题title", "链接url", "时间time", "公众号名称", "finalContent"]
    assert json.loads(record().as_json()) == GOOD
    assert list(json.loads(record().as_json())) == list(FIELDS)


def test_more_fields_than_six_are_no_harm_and_no_part_of_the_record() -> None:
    assert Record.from_mapping(GOOD | {"阅读数": 7}) == record()


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(RecordError, match=name):
        Record.from_mapping(without(name))


@pytest.mark.parametrize("value", [None, 7, ["a"], {"a": "b"}, True], ids=repr)
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_no_string_is_named(name: str, value: Any) -> None:
    with pytest.raises(RecordError, match=name):
        Record.from_mapping(GOOD | {name: value})


@pytest.mark.parametrize("name", [TITLE, TEXT, ACCOUNT])
def test_words_may_be_empty(name: str) -> None:
    assert Record.from_mapping(GOOD | {name: ""}).as_dict() == GOOD | {name: ""}


NO_AIDS = [
    "",
    "1001",
    "1001_",
    "_1",
    "1001-1",
    "1001_1 ",
    "1001_1\n",
    "a_1",
    "１_1",
    "9" * 19 + "_1",
    "1_1234",
]
NO_DATES = [
    "", "2026-3-1", "2026-02-30", "2026/03/01", "20260301", "2026-W09-7", "2026-03-01T00", "2026-03-01\n",
    "0000-01-01", "２０２６-03-01", "2026年3月1日",
]  # fmt: skip


@pytest.mark.parametrize("aid", NO_AIDS, ids=ascii)
def test_an_aid_that_is_none_is_shown(aid: str) -> None:
    with pytest.raises(RecordError, match="文章标识符aid is '"):
        Record.from_mapping(GOOD | {AID: aid})


@pytest.mark.parametrize("day", NO_DATES, ids=ascii)
def test_a_date_that_would_not_come_out_as_it_went_in_is_shown(day: str) -> None:
    with pytest.raises(RecordError, match="时间time is '"):
        Record.from_mapping(GOOD | {DATE: day})


def test_what_is_shown_of_a_bad_field_is_short() -> None:
    with pytest.raises(RecordError) as caught:
        Record.from_mapping(GOOD | {DATE: "字" * 100_000})
    assert len(str(caught.value)) < 200


@pytest.mark.slow
@given(st.lists(any_record, max_size=5))
def test_records_come_back_from_the_bytes_of_their_dump(made: list[Record]) -> None:
    out = io.BytesIO()
    assert write_dump(iter(made), out) == len(made)
    assert out.getvalue() == json.dumps([r.as_dict() for r in made], ensure_ascii=False).encode()
    assert [Record.from_mapping(raw) for raw in json.loads(out.getvalue())] == made
