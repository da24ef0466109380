"""What importers yield says in a sentence what was wrong, and long lists of flaws are cut."""

from pathlib import Path

import pytest

from archive.domain.messages import Message
from mparchive.importers import items
from mparchive.importers.items import (
    Flaw,
    InputError,
    MediumName,
    SavedPage,
    Skipped,
    find_no_media,
    limit_flaws,
    message_of,
)
from mparchive.importers.read import read_inputs
from tests.mparchive.importers.test_hostile import written

REASON = Message("mparchive.warc.no_length")
WHERE = Message("mparchive.input.warc_record", {"number": 2, "offset": 7})


def test_a_flaw_names_the_input_the_part_and_the_reason_in_both_languages() -> None:
    flaw = Flaw("a.warc", WHERE, REASON)
    assert str(flaw) == "a.warc, record 2 at byte 7: it has no Content-Length"
    assert REASON.text("zh") in flaw.message.text("zh")
    assert "record" not in flaw.message.text("zh")


def test_a_flaw_of_a_whole_input_is_its_reason() -> None:
    reason = InputError("mparchive.warc.empty", name="a.warc").message
    assert Flaw("a.warc", None, reason).message == reason


def test_skipped_parts_are_counted() -> None:
    one, several = (Skipped("a.warc", number, "mparchive.warc.no_response") for number in (1, 3))
    assert str(one) == "a.warc: 1 record that is no response"
    assert str(several) == "a.warc: 3 records that are no responses"


def test_the_message_of_any_error_is_known() -> None:
    assert message_of(InputError("mparchive.warc.empty", name="x")).code == "mparchive.warc.empty"
    assert str(message_of(ValueError("odd"))) == "odd"


def test_flaws_up_to_the_bound_are_named_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MAX_FLAWS", 2)
    flaw, skipped = Flaw("a", WHERE, REASON), Skipped("a", 1, "mparchive.warc.no_response")
    assert list(limit_flaws(iter([flaw, skipped, flaw]), "a")) == [flaw, skipped, flaw]
    *shown, last = limit_flaws(iter([flaw, flaw, flaw, skipped]), "a")
    assert shown == [flaw, flaw, skipped]
    assert str(last) == "a has 3 flaws, of which the first 2 are shown"


def test_an_input_with_many_flaws_still_gives_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "MAX_FLAWS", 3)
    path = tmp_path / "f.warc"
    path.write_bytes(b"WARC/1.0\n" * 10 + written())
    found = list(read_inputs([str(path)]))
    flaws = [str(item) for item in found if isinstance(item, Flaw)]
    assert len(flaws) == 4
    assert "has 10 flaws" in flaws[-1]
    assert any(isinstance(item, SavedPage) for item in found)


def test_no_media_are_found_for_each_name() -> None:
    assert find_no_media([MediumName("a", "a"), MediumName("b", "b")]) == [(), ()]
