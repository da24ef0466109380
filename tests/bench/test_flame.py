"""Where samples of a crawl belong."""

from bench.flame import LIBRARIES, START, shares, without_folders
from bench.ways import ROOT

CRAWL = "_run_command (scrapy/cmdline.py:222);run (crawler/commands/crawl.py:30)"


def test_a_sample_belongs_to_the_innermost_function_of_our_own_code():
    found = shares(
        [
            f"{CRAWL};read (crawler/parse/page.py:5);parse (lxml/etree.py:1) 3",
            f"{CRAWL};store (archive/ingest/pages.py:9);execute (sqlalchemy/engine/base.py:1) 1",
        ]
    )
    assert found == {"parse pages": 0.75, "store captures, posts and versions": 0.25}


def test_imports_and_libraries_are_counted_apart():
    found = shares(
        [
            f"{CRAWL};import_module (importlib/__init__.py:126);<module> (crawler/parse/page.py:1) 1",
            "run (threading.py:1);select (selectors.py:468) 1",
        ]
    )
    assert found == {START: 0.5, LIBRARIES: 0.5}


def test_a_picture_names_no_folder_of_the_machine_it_was_made_on():
    assert without_folders(f"{ROOT}/crawler/x.py /tmp/made-up/addresses.txt", "/tmp/made-up") == (
        "crawler/x.py addresses.txt"
    )
