"""Pages in a real browser that has no network: nothing runs, nothing is asked for, every word is seen."""

import html
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Error, Page, Route

from archive.domain.parsed_page import ParsedPage
from archive.rendering.page import ShownPost, offline_page, replay_page
from crawler.parse.page import read_page
from tests.archive.rendering.hostile import ASKING, PRETENDING, RUNNING
from tests.archive.rendering.making import Files, image, of_reading, post, shown
from tests.standin.media import picture
from tests.standin.pages import all_pages
from tests.support.captures import capture, capture_names, needs_captures
from tests.support.chromium import TOUCHED

pytestmark = pytest.mark.browser
PHONE, DESK = 390, 1000  # pixels wide
SHOTS = Path(__file__).parents[3] / "artefacts" / "offline"
_OURS = ".mparchive-card, .mparchive-missing"
_WORDS = f"""() => {{
    document.querySelectorAll('{_OURS}').forEach(ours => ours.remove());
    return document.querySelector('main').innerText;
}}"""
_SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_LEFT = """() => [
    [...document.querySelectorAll('main *')].filter(element =>
        ['fixed', 'sticky'].includes(getComputedStyle(element).position)
        || element.matches('form, input, button, iframe, script, style, svg, footer, [id], [src*=mparchive]')
    ).map(element => element.outerHTML),
    [...document.querySelectorAll('main a[href]')].map(link => link.protocol),
]"""


@dataclass
class Reader:
    """A browser's window. `asked` are the requests of the page shown, but for itself and data: addresses."""

    page: Page
    path: Path
    asked: list[str] = field(default_factory=list)

    def show(self, markup: str) -> None:
        self.asked.clear()
        self.path.write_text(markup, "utf-8", "surrogateescape")
        self.page.goto(self.path.as_uri(), wait_until="load")
        self.page.evaluate(_SETTLED)

    def on_request(self, route: Route) -> None:
        address = route.request.url
        if address == self.path.as_uri() or address.startswith("data:"):
            route.continue_()
        else:
            self.asked.append(address)
            route.abort()

    def does_anything(self, markup: str) -> list[str]:
        """Return what a page does when it is shown and touched."""
        try:
            self.show(markup)
            self.page.evaluate(TOUCHED)
            ran = self.page.evaluate("() => window.ran !== undefined")
        except Error as error:
            return [*self.asked, f"it went away: {error.message}"]
        return [*self.asked, *(["it ran"] if ran else [])]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Reader:
    path = tmp_path_factory.mktemp("offline") / "page.html"
    context = chromium.new_context(viewport={"width": DESK, "height": 900}, offline=True)
    reader = Reader(context.new_page(), path)
    context.route("**/*", reader.on_request)
    reader.page.on("dialog", lambda dialog: dialog.dismiss())
    return reader


def _as_it_is(body: str) -> str:
    return f"<!DOCTYPE html><meta charset=utf-8><main>{body}</main>"


def _unguarded(markup: str) -> str:
    """Remove the policy that forbids everything once more: the markup alone must hold."""
    assert markup.count("Content-Security-Policy") == 1
    return markup.replace("Content-Security-Policy", "X-Nothing")


def test_hostile_bodies_would_act_if_they_were_shown_as_they_are(reader: Reader) -> None:
    bodies = RUNNING | ASKING
    still = {name for name, body in bodies.items() if not reader.does_anything(_as_it_is(body))}
    assert len(bodies) > 90
    assert len(still) < 0.2 * len(bodies), still


@pytest.mark.parametrize("make", [offline_page, replay_page])
def test_hostile_bodies_do_not_run_ask_or_pretend_to_be_ours(
    reader: Reader, make: Callable[[ShownPost], str]
) -> None:
    done: dict[str, object] = {}
    for name, body in (RUNNING | ASKING | PRETENDING).items():
        done[name] = reader.does_anything(_unguarded(make(shown(post(body)))))
        left, schemes = reader.page.evaluate(_LEFT)
        done[name] = done[name] or left or sorted(set(schemes) - {"http:", "https:"})
    assert {name: what for name, what in done.items() if what} == {}


def test_a_body_cannot_bring_back_what_the_page_embeds(reader: Reader) -> None:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_own")))
    body = f'<img data-src="{medium.url}"><img src="mparchive:0"><video poster="mparchive:0"></video>'
    reader.show(offline_page(shown(post(body), [medium], files)))
    assert reader.page.evaluate("() => document.querySelectorAll('main [src], main [poster]').length") == 1


def test_pages_of_the_stand_in_say_every_word_and_ask_nothing(reader: Reader) -> None:
    readings = {name: read_page(body, url) for name, body, url, _ in all_pages()}
    posts = {name: reading for name, reading in readings.items() if reading.record}
    assert len(posts) >= 10
    _hold(reader, posts)


@needs_captures
def test_real_posts_say_every_word_in_order_and_ask_nothing(reader: Reader) -> None:
    _hold(reader, {name: read_page(capture(name)) for name in capture_names("article_*")})


def _hold(reader: Reader, readings: dict[str, ParsedPage]) -> None:
    for number, (name, reading) in enumerate(readings.items()):
        made = of_reading(reading, filled=number % 2 == 0)
        reader.page.set_viewport_size({"width": PHONE if number % 3 else DESK, "height": 900})
        reader.show(offline_page(made))
        assert reader.asked == [], name
        assert _images_are_shown(reader), name
        assert reader.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), name
        assert _words(html.escape(reader.page.evaluate(_WORDS))) == _words(made.post.text), name


def _words(text: str) -> str:
    return "".join(html.unescape(text).split())


def _images_are_shown(reader: Reader) -> bool:
    broken = "() => [...document.images].filter(image => !image.naturalWidth).length"
    return reader.page.evaluate(broken) == 0


def test_a_missing_image_keeps_its_place_and_says_its_address(reader: Reader) -> None:
    medium = image(1, facts={"width": 600, "height": 300})
    body = f'<p>上</p><p><img data-src="{medium.url}" data-w="600" data-ratio="0.5"></p><p>下</p>'
    reader.page.set_viewport_size({"width": DESK, "height": 900})
    reader.show(offline_page(shown(post(body), [medium])))
    frame = reader.page.locator(".mparchive-missing")
    box = frame.bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (600, 300)
    assert medium.url in frame.inner_text()
    assert "image not archived" in frame.inner_text()


def test_a_background_is_drawn_from_the_page_itself(reader: Reader) -> None:
    files = Files()
    medium = image(1, files.keep(picture("synthetic_background")))
    style = f"background-image: url(&quot;{medium.url}&quot;); background-size: 100% 100%; height: 99px"
    reader.show(offline_page(shown(post(f'<p style="{style}">字</p>' * 3), [medium], files)))
    computed = "() => getComputedStyle(document.querySelector('main p')).backgroundImage.slice(0, 21)"
    assert reader.page.evaluate(computed) == 'url("data:image/png;b'
    assert reader.path.read_text().count("data:image/png") == 1


def test_a_kept_drawing_is_shown_and_its_script_is_not_run(reader: Reader) -> None:
    files = Files()
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="window.ran=1">'
        b'<script>window.ran=1</script><image href="https://evil.example/x.png"/></svg>'
    )
    medium = image(1, files.keep(drawing, "image/svg+xml", (9, 9)))
    page = offline_page(shown(post(f'<img data-src="{medium.url}">'), [medium], files))
    assert reader.does_anything(_unguarded(page)) == []
    assert _images_are_shown(reader)
    assert "data:image/svg+xml" in page


def test_words_are_readable_in_the_dark(reader: Reader) -> None:
    for made in (post('<p style="color: rgb(30, 30, 30)">字</p>'), post(None, kind="text")):
        reader.page.emulate_media(color_scheme="dark")
        reader.show(offline_page(shown(made)))
        light = [_brightness(reader, f"header {part}") for part in ("h1", "p")] + [
            _brightness(reader, "main p")
        ]
        paper = _background(reader)
        reader.page.emulate_media(color_scheme="light")
        assert all(abs(words - ground) > 90 for words, ground in zip(light, paper, strict=True)), (
            light,
            paper,
        )


def _brightness(reader: Reader, selector: str) -> float:
    colour = reader.page.evaluate(f"() => getComputedStyle(document.querySelector('{selector}')).color")
    return _light(colour, 25)


def _light(colour: str, ground: float) -> float:
    red, green, blue, *alpha = (float(part) for part in colour.split("(")[1].rstrip(")").split(","))
    share = alpha[0] if alpha else 1
    return (red + green + blue) / 3 * share + ground * (1 - share)


def _background(reader: Reader) -> list[float]:
    """Return how light the page is behind the title, the byline and the first paragraph."""
    shot = Image.open(io.BytesIO(reader.page.screenshot())).convert("L")
    corners = [reader.page.locator(part).first.bounding_box() for part in ("header h1", "header p", "main p")]
    return [float(shot.getpixel((int(box["x"]) - 2, int(box["y"]) + 1))) for box in corners if box]  # type: ignore[arg-type]  # "L" has one number a pixel


def _shots() -> list[str]:
    """Return one capture of each kind."""
    return list({name.partition("/")[0]: name for name in capture_names("article_*")}.values())


@needs_captures
def test_a_post_beside_its_page_is_left_to_be_looked_at(reader: Reader) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name in _shots():
        served, made = capture(name), of_reading(read_page(capture(name)), filled=True)
        joined = [_joined(reader, served, made, width) for width in (PHONE, DESK)]
        label = name.replace("/", "-").removesuffix(".html.gz")
        for width, shot in zip((PHONE, DESK), joined, strict=True):
            shot.save(SHOTS / f"{label}-{width}.png")
            assert shot.width == 2 * width


def _joined(reader: Reader, served: bytes, made: ShownPost, width: int) -> Image.Image:
    """Return the served page without its style sheets and images, and our page, side by side."""
    reader.page.set_viewport_size({"width": width, "height": 1200})
    reader.show(served.decode("utf-8", "surrogateescape"))
    reader.page.add_style_tag(content="#js_content{visibility:visible!important;opacity:1!important}")
    before = Image.open(io.BytesIO(reader.page.screenshot()))
    reader.show(offline_page(made))
    after = Image.open(io.BytesIO(reader.page.screenshot()))
    both = Image.new("RGB", (2 * width, 1200), "white")
    both.paste(before, (0, 0))
    both.paste(after, (width, 0))
    return both
