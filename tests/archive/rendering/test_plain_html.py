"""A body becomes HTML that needs no script, with every word that a reader could see, in order."""

import pytest

from archive.rendering.plain_html import MAX_DEPTH, MAX_FORMATTING, plain_body


def plain(body: str) -> str:
    soup = plain_body(body)
    assert soup.body is not None
    return soup.body.decode_contents()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>一<script>x()</script>二</p>", "<p>一二</p>"),
        ("<textarea>一</textarea><template>二</template>", "一二"),
        ("<header>一</header><nav>二</nav>", "<div>一</div><div>二</div>"),
        ('<p class="rich_media" style="color:red">一</p>', '<p class="" style="color:red">一</p>'),
        ('<mparchive-x mparchive-id="1">一</mparchive-x>', "<span>一</span>"),
        ('<a href="javascript:x()">一</a><a href="/s">二</a>',
         '<a>一</a><a href="https://mp.weixin.qq.com/s">二</a>'),
    ],
)  # fmt: skip
def test_what_needs_scripts_or_pretends_to_be_ours_goes(body: str, expected: str) -> None:
    assert plain(body) == expected


def test_hidden_spacers_go_and_hidden_words_stay() -> None:
    body = '<p style="display: none"><img data-src="https://x.example/a"></p><p style="display:none">字</p>'
    assert plain(body) == '<p style="display:none">字</p>'


def test_widgets_become_cards_and_images_have_their_address() -> None:
    made = plain('<mpvoice name="讲话"></mpvoice><img data-src="https://x.example/a">')
    assert "讲话" in made
    assert "mpvoice" not in made
    assert made.endswith('<img src="https://x.example/a"/>')


def test_elements_nested_too_deep_are_replaced_by_their_words_and_images_in_order() -> None:
    depth = MAX_DEPTH + 50
    inner = '二<img data-src="https://x.example/a">三'
    body = "<section>一" * depth + inner + "四</section>" * depth
    soup = plain_body(body)
    assert "".join(soup.get_text()) == "一" * depth + "二三" + "四" * depth
    assert len(soup.find_all("section")) <= MAX_DEPTH
    (image,) = soup.find_all("img")
    assert image["src"] == "https://x.example/a"


def test_formatting_nested_too_deep_is_dropped_and_its_words_stay() -> None:
    soup = plain_body("<p>" + "<b>" * 40 + "字" + "</b>" * 40 + "</p>")
    assert len(soup.find_all("b")) == MAX_FORMATTING
    assert soup.get_text() == "字"
