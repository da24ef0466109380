"""Damaged real pages: where a page holds its values twice, nothing false may be stored of it.

tests/crawler/parse/mutants.py can be run by itself to try more of them.
"""

from collections import Counter

import pytest

from crawler.parse.response import is_mixed
from tests.crawler.parse.mutants import KINDS, mutants, originals
from tests.support.captures import needs_captures

NUMBER = 180  # ten of each kind

SEED = 2026

pytestmark = needs_captures


@pytest.mark.slow
def test_of_a_page_with_two_copies_nothing_false_is_stored() -> None:
    tried, stored = Counter[str](), Counter[str]()
    wrong = []
    for mutant in mutants(NUMBER, SEED):
        copies = "two copies" if mutant.original.has_two else "one copy"
        tried[f"{copies}, {mutant.kind}"] += 1
        if mutant.stores_something_false:
            stored[f"{copies}, {mutant.kind}"] += 1
            wrong += [(mutant.kind, mutant.original.name)] if mutant.original.has_two else []
    for kind in sorted(tried):
        print(f"{kind}: {stored[kind]} of {tried[kind]} stored something false")
    assert wrong == []
    assert sum(tried.values()) == NUMBER


@pytest.mark.slow
def test_every_real_page_has_its_body_twice_or_once_and_no_copies_that_differ() -> None:
    pages = originals()
    assert all(page.says for page in pages)
    assert sum(page.has_two for page in pages) >= 10


@pytest.mark.slow
def test_no_real_page_is_taken_for_one_of_mixed_encodings() -> None:
    for page in originals():
        encoded = page.served.decode().encode("gb18030")
        assert not is_mixed(page.served, page.served)
        assert not is_mixed(encoded, page.served)


@pytest.mark.slow
def test_each_kind_of_damage_is_tried() -> None:
    assert {mutant.kind for mutant in mutants(len(KINDS), SEED)} == {kind.__name__ for kind in KINDS}
