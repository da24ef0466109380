"""Every real capture beside the repository is read as what it is."""

import html
import re
from dataclasses import replace

import pytest

from archive.domain.outcomes import Kind, Outcome
from archive.domain.records import Record
from crawler.parse.body import text_of
from crawler.parse.page import read_page
from tests.support.captures import (
    capture,
    capture_names,
    evaluated_states,
    expected_ids,
    expected_texts,
    needs_captures,
)

FOLDERS = {
    "article_normal": (Outcome.ARTICLE, Kind.ARTICLE),
    "article_picture": (Outcome.ARTICLE, Kind.PICTURE),
    "article_share": (Outcome.ARTICLE, Kind.SHARE),
    "article_text": (Outcome.ARTICLE, Kind.TEXT),
    "article_video": (Outcome.ARTICLE, Kind.VIDEO),
    "error_deleted": (Outcome.DELETED, None),
    "error_violation": (Outcome.VIOLATION, None),
    "error_other": (Outcome.UNAVAILABLE, None),
    "error_expired": (Outcome.EXPIRED_LINK, None),
    "error_freq": (Outcome.RATE_LIMITED, None),
    "error_verify": (Outcome.VERIFICATION, None),
}
OTHERS = ("aboutbiz", "album_html", "history_profile", "json_*")  # real answers that are no post's
pytestmark = needs_captures


def test_the_captures_are_there_in_every_folder() -> None:
    assert {name.partition("/")[0] for name in capture_names(*FOLDERS)} == set(FOLDERS)
    assert len(capture_names(*FOLDERS)) >= 43


@pytest.mark.parametrize("name", capture_names(*FOLDERS))
def test_outcome_and_kind_are_what_the_folder_says(name: str) -> None:
    reading = read_page(capture(name))
    assert (reading.outcome, reading.kind) == FOLDERS[name.partition("/")[0]]
    assert (reading.record is None) == (reading.outcome is not Outcome.ARTICLE)


@pytest.mark.parametrize("name", capture_names(*OTHERS))
def test_an_answer_that_is_no_page_of_a_post_is_unknown(name: str) -> None:
    reading = read_page(capture(name))
    assert reading.outcome is Outcome.UNKNOWN
    assert reading.reason


@pytest.mark.parametrize(("name", "row"), expected_ids().items())
def test_ids_instant_title_and_account_are_as_expected(name: str, row: dict[str, str]) -> None:
    page = read_page(capture(name)).page
    for field in ("biz", "mid", "idx", "sn", "ct", "user_name"):
        if row[field]:
            assert str(page[field]) == row[field]
    assert page["title"].replace("\n", "\\n").startswith(row["title"])
    assert page["account"]


@pytest.mark.parametrize("name", [name for name, row in expected_ids().items() if not row["mid"]])
def test_ids_that_old_pages_leave_empty_come_from_their_own_link(name: str) -> None:
    record = read_page(capture(name)).record
    assert record is not None
    assert f"mid={record.aid.partition('_')[0]}&" in record.url


@pytest.mark.parametrize(("name", "text"), expected_texts().items())
def test_final_content_is_the_same_to_the_byte(name: str, text: str) -> None:
    record = read_page(capture(name)).record
    assert record is not None
    assert record.text == text


@pytest.mark.slow
@pytest.mark.parametrize("name", evaluated_states())
def test_a_post_is_the_same_on_a_page_from_before_2025_11(name: str) -> None:
    """Pages had all but `cgiDataNew` then, and cut the list of pictures off."""
    older = capture(name).replace(b"window.cgiDataNew = ", b"window.other = ")
    older = re.sub(rb"(picture_page_info_list = \[.*?\n\s*\]);", rb"\1.slice(0, 20);", older, flags=re.S)
    now, then = read_page(capture(name)), read_page(older)
    assert (then.kind, then.page.get("images")) == (now.kind, now.page.get("images"))
    assert then.record is not None
    assert now.record is not None
    assert _without_space(then.record) == _without_space(now.record)


def _without_space(record: Record) -> Record:
    """Normalise the post that a share shows, which is laid out differently in the two places."""
    return replace(record, text=re.sub(r"\s", "", record.text))


@pytest.mark.parametrize(("name", "state"), evaluated_states().items())
def test_title_body_images_and_album_equal_the_evaluated_state(name: str, state: dict) -> None:
    reading = read_page(capture(name))
    assert reading.record is not None
    assert reading.record.title == html.unescape(state["title"])
    pictures = [html.unescape(html.unescape(item["cdn_url"])) for item in state["picture_page_info_list"]]
    assert reading.page.get("images", []) == pictures
    album = state.get("appmsgalbuminfo") or {}
    assert reading.page.get("album", {}).get("id", "") == album.get("album_id", "")
    assert reading.page.get("album", {}).get("title", "") == album.get("title", "")


@pytest.mark.parametrize(("name", "state"), evaluated_states().items())
def test_the_body_text_says_what_the_evaluated_state_says(name: str, state: dict) -> None:
    """The served body of some captures was re-indented by an editor, so white space is not compared."""
    record = read_page(capture(name)).record
    assert record is not None
    assert _words(record.text) == _words(text_of(state["content_noencode"]))


def _words(text: str) -> str:
    return "".join(html.unescape(text).split())


@pytest.mark.parametrize("name", capture_names("article_*")[::5])
def test_a_page_saved_in_gb18030_or_as_a_json_string_reads_the_same(name: str) -> None:
    served = capture(name)
    reading = read_page(served)
    assert read_page(served.decode().encode("gb18030")) == reading
    escaped = (
        served.decode().replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    )
    assert read_page(escaped.encode()).record == reading.record
