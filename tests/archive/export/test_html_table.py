"""Test which tables are written as HTML, and how."""

import pytest

from archive.export.html_to_markdown import to_markdown

HEAD = "<tr><th>类别</th><th>金额</th></tr>"


@pytest.mark.parametrize(
    "rows",
    [
        "<tr><td rowspan=2>研发</td><td>50</td></tr><tr><td>80</td></tr>",
        "<tr><td colspan=2>合计</td></tr>",
        "<tr><td><ul><li>甲</li><li>乙</li></ul></td><td>1</td></tr>",
    ],
)
def test_a_table_that_markdown_cannot_express_stays_html(rows: str) -> None:
    written = to_markdown(f"<table>{HEAD}{rows}</table>")
    assert written.lstrip().startswith("<table>")
    assert "---" not in written


def test_a_plain_table_is_written_in_pipes() -> None:
    written = to_markdown(f"<table>{HEAD}<tr><td>研发</td><td>50</td></tr></table>")
    assert "| 研发 | 50 |" in written
    assert "<table" not in written


def test_a_spanning_cell_keeps_its_span_and_nothing_that_could_act() -> None:
    cell = '<td rowspan=2 onclick="x()" style="color:red">研发</td>'
    written = to_markdown(f"<table>{HEAD}<tr>{cell}<td>50</td></tr><tr><td>80</td></tr></table>")
    assert 'rowspan="2"' in written
    assert "onclick" not in written
    assert "style" not in written


def test_a_cell_over_all_rows_that_are_left_keeps_that_span() -> None:
    written = to_markdown(
        f"<table>{HEAD}<tr><td rowspan=0>研发</td><td>50</td></tr><tr><td>80</td></tr></table>"
    )
    assert '<td rowspan="0">研发</td>' in written
