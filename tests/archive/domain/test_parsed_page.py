"""Test what of a parse result is stored of a post."""

from dataclasses import replace

import pytest

from archive.domain.outcomes import Relation, Role
from archive.domain.parsed_page import PostState, is_preview, page_associations, page_facts
from archive.domain.records import record_hash
from tests.archive.making import NOW, article, image, link, record


def test_facts_leave_out_media_and_links_which_have_rows_of_their_own() -> None:
    page = article(record(), page={"author": "作\0者", "media": [1], "links": [2]}, published_at=NOW)
    facts = page_facts(page)
    assert (facts["page_metadata"], facts["published_at"], facts["html"]) == (
        {"author": "作\ufffd者"},
        NOW,
        None,
    )


def test_a_post_without_a_page_has_no_facts() -> None:
    assert page_facts(None) == {"published_at": None, "kind": None, "page_metadata": {}, "html": None}


def test_associations_name_role_or_relation_and_the_stored_key() -> None:
    long = replace(image("a"), key="x" * 3000)
    page = article(record(), media=(image("a"), long), links=(link(2),))
    media, links = page_associations(page)
    assert (Role.IMAGE.value, image("a").key) in media
    assert [len(key) for _, key in media if key.startswith("sha256:")] == [71]
    assert links == {(Relation.POST.value, link(2).key)}


def test_a_state_is_of_its_post_and_whole_unless_a_browser_is_needed() -> None:
    state = PostState(3, record(), "page", page=article(record(), needs_browser=True))
    assert (state.identity, state.hash) == ((3, record().aid), record_hash(record()))
    assert (state.is_whole, replace(state, page=None).is_whole) == (False, True)


@pytest.mark.parametrize(
    ("facts", "is_part"),
    [
        ({}, False), ({"paid": False}, False), ({"paid": True, "preview": True}, True),
        ({"paid": True, "preview": False}, False), ({"paid": True}, True),
    ],
)  # fmt: skip
def test_a_paid_post_is_a_preview_unless_its_page_had_the_rest(facts: dict[str, bool], is_part: bool) -> None:
    assert is_preview(facts) is is_part
