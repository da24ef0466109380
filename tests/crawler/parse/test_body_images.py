"""Images of a body in every place where WeChat writes them, and nothing else."""

import pytest

from crawler.parse.elements import MAX_CSS, StyleImages, find_elements

URL = "https://mmbiz.qpic.cn/mmbiz_png/a/640?wx_fmt=png"


@pytest.mark.parametrize(
    "markup",
    [f'<img data-src="{URL}">', f'<img data-src="{URL.removeprefix("https:")}">',
     f'<img src="data:image/gif;base64,R0lGODlh" data-src="{URL}">', f'<img data-src="data:," src="{URL}">',
     f'<svg><image xlink:href="{URL}"></image></svg>', f'<svg style="background-image:url({URL})"></svg>',
     f'<p style="background:url(&#39;{URL}&#39;) no-repeat center / cover">字</p>',
     f'<p style="background:url(&amp;quot;{URL}&amp;quot;)">字</p>',
     f"<p style='background:url(\"{URL}\")'>字</p>",
     f'<p style="background-image:url({URL.removeprefix("https:")});width:1px">字</p>',
     f'<p style="border-image:url(&quot;{URL}&quot;) 30 fill stretch">字</p>',
     f'<p style="border-image-source: URL( {URL} )">字</p>',
     f'<p style="-webkit-mask-image:url({URL})">字</p>',
     f'<p style="list-style:square u\\72l({URL})">字</p>',
     f'<p style="background-image:linear-gradient(red,blue),url({URL})">字</p>',
     f'<p style="background-image:-webkit-image-set(&quot;{URL}&quot; 1x)">字</p>',
     f'<style>.a{{background-image:url({URL})}}</style>', f'<section data-lazy-bgimg="{URL}"></section>',
     f'<mp-common-sticker data-emoji_url="{URL}" data-type="0"></mp-common-sticker>',
     f'<mp-common-product data-product-imageurl="{URL}"></mp-common-product>',
     f'<a data-product-imageurl="{URL}"></a>',
     f'<mp-common-blockquote data-coverurl="{URL}"></mp-common-blockquote>',
     '<mp-common-product data-windowproduct="%7B%22img%22%3A%22https%3A%5C%2F%5C%2Fmmbiz.qpic.cn%5C%2F'
     'mmbiz_png%5C%2Fa%5C%2F640%3Fwx_fmt%3Dpng%22%7D"></mp-common-product>'],
)  # fmt: skip
def test_an_image_is_found_in_every_place(markup: str) -> None:
    assert find_elements(markup).images == [URL]


@pytest.mark.parametrize(
    "markup",
    [f'<mp-common-profile data-headimg="{URL}"></mp-common-profile>', f'<p data-croporisrc="{URL}">字</p>',
     "<svg style='fill:url(#a)'></svg>", '<p style="background:url(data:image/png;base64,AAAA)">字</p>',
     f'<mp-common-videosnap data-url="{URL}"></mp-common-videosnap>', f"<p>{URL}</p>",
     f'<a href="{URL}">字</a>',
     f'<p style="font-family:&quot;{URL}&quot;">url</p>'],
)  # fmt: skip
def test_what_shows_no_image_of_the_post_is_none(markup: str) -> None:
    assert find_elements(markup).images == []


def test_images_stand_in_the_order_of_the_page_and_once_for_each_element() -> None:
    one, two, three = (URL.replace("/a/", f"/{number}/") for number in (1, 2, 3))
    styled = '<p style="background:url({})">{}</p>'
    markup = styled.format(one, f'<img data-src="{two}">') + styled.format(three, "字")
    assert find_elements(markup).images == [one, two, three]


def test_styles_are_parsed_up_to_a_number_of_characters() -> None:
    styles = StyleImages()
    assert styles.find(f"background:url({URL})") == [URL]
    assert styles.find(f"background:url({URL});" + "x" * MAX_CSS) == []
    assert StyleImages().find("background:url(" * 1000) == []
