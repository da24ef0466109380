"""What a drawn page holds: its DOM, its scripts' values and its words, taken without trusting its scripts.

The page's own scripts may have redefined anything. So its DOM and words are read in a world of their own,
whose language and document are untouched, and its variables by an expression made of the language's own
constructs, under a time limit of V8's that also ends a getter that never returns.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from archive.domain.addresses import HOST
from crawler.browser.request_gate import Gate
from crawler.parse.rendered import SHOWN
from crawler.parse.response import MAX_PAGE_BYTES
from crawler.parse.script_state import MAX_STATE, STATE_NAMES

LOAD_TIMEOUT = 30.0  # seconds until a page has all its files; half of it is worth nothing

QUIET = 250  # milliseconds without a change in the page, or a file on its way: it has come to rest

SETTLE_TIMEOUT = 3.0  # seconds to come to rest; some pages poll or move for ever

EVALUATION = 3_000  # milliseconds for one reading of the page

MAX_WORDS = 500_000  # characters; the longest real text has under 0.1 million

MAX_DEPTH = 12  # of a value; the deepest real one has 6


class RenderError(Exception):
    """The browser could not draw the page; the message says why. Asking again would not help."""


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A page as it was drawn: the DOM in UTF-8, and the evaluated values with the shown words among them."""

    body: bytes
    evaluated: dict[str, Any]
    cut: bool  # the values were too large, and left out


async def take(page: Page, gate: Gate) -> RenderedPage:
    """Wait until the page has come to rest, and read it; raises NotDrawn, or Playwright's errors."""
    session = await page.context.new_cdp_session(page)
    tree = await session.send("Page.getFrameTree")
    frame = tree["frameTree"]["frame"]["id"]
    world = await session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "mparchive"})
    apart = world["executionContextId"]
    await _loaded(session, apart)
    await _come_to_rest(session, apart, gate)
    values, cut = await _values(session)
    body = await _dom(session, apart)
    words = await _evaluated(session, _WORDS % MAX_WORDS, apart)
    return RenderedPage(body, {**values, SHOWN: str(words)[:MAX_WORDS]}, cut)


async def _loaded(session: CDPSession, world: int) -> None:
    try:
        await asyncio.wait_for(_evaluated(session, _LOAD, world), LOAD_TIMEOUT)
    except TimeoutError:
        raise RenderError(f"it took longer than {LOAD_TIMEOUT:g} s to load") from None


async def _come_to_rest(session: CDPSession, world: int, gate: Gate) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_TIMEOUT
    while loop.time() < deadline:
        before = gate.files
        left = max(0, int((deadline - loop.time()) * 1000))
        await _evaluated(session, _REST % {"quiet": QUIET, "longest": left}, world)
        if gate.files == before and not gate.busy:
            return


async def _evaluated(session: CDPSession, expression: str, world: int | None = None) -> Any:
    order = {"expression": expression, "returnByValue": True, "awaitPromise": True, "timeout": EVALUATION}
    answer = await session.send("Runtime.evaluate", order | ({"contextId": world} if world else {}))
    if "exceptionDetails" in answer:
        told = answer["exceptionDetails"]
        raise RenderError(f"the page cannot be read ({str(told.get('text'))[:80]})")
    return answer["result"].get("value")


async def _dom(session: CDPSession, world: int) -> bytes:
    told = await _evaluated(session, _DOM % MAX_PAGE_BYTES, world)
    if urlsplit(told["url"]).hostname != HOST:
        raise RenderError(f"the page left for {told['url'][:100]}")
    body: bytes = told["html"].encode("utf-8", "replace")  # a lone surrogate is no character
    size = max(told["size"], len(body))
    if size > MAX_PAGE_BYTES:
        raise RenderError(f"the page grew to {size} bytes, at most {MAX_PAGE_BYTES} are taken")
    return body


async def _values(session: CDPSession) -> tuple[dict[str, Any], bool]:
    """The page's own values by name, and whether they were too large to take."""
    reading = _VALUES % {"size": MAX_STATE, "depth": MAX_DEPTH, "reads": _READS}
    try:
        told = await _evaluated(session, reading)
    except PlaywrightError as error:  # ended by its time limit, or with the page's process
        raise RenderError("the values of the page's scripts cannot be read in time") from error
    values = told.get("values") if isinstance(told, dict) else None
    if not isinstance(values, dict) or told.get("left", 0) < 0:
        return {}, True
    known = {name: value for name, value in values.items() if name in STATE_NAMES and value is not None}
    if len(json.dumps(known)) > 2 * MAX_STATE:  # escapes may double it
        return {}, True
    return known, False


# Asked of the document itself: Playwright's own wait never ends when a script navigates before the end of it.
_LOAD = """new Promise(done => {
  if (Reflect.get(Document.prototype, 'readyState', document) === 'complete') done();
  else addEventListener('load', () => done());
})"""

_REST = """new Promise(done => {
  let quiet = setTimeout(done, %(quiet)d);
  const again = () => { clearTimeout(quiet); quiet = setTimeout(done, %(quiet)d); };
  const everything = {subtree: true, childList: true, characterData: true};
  new MutationObserver(again).observe(document, everything);
  setTimeout(done, %(longest)d);
})"""

# By the prototype's own getters: elements with such names would stand before the document's properties.
_DOM = """(() => {
  const own = name => Reflect.get(Document.prototype, name, document);
  const type = own('doctype'), html = own('documentElement').outerHTML;
  const size = html.length;
  const start = type ? new XMLSerializer().serializeToString(type) + '\\n' : '';
  return {url: location.href, size, html: size <= %d ? start + html : ''};
})()"""

# A body stays hidden until a script of another host has run; it is none the less what the post says.
_WORDS = """(() => {
  const body = Reflect.get(Document.prototype, 'body', document);
  for (const hidden of body.querySelectorAll('#js_content')) hidden.style.visibility = 'visible';
  return body.innerText.slice(0, %d);
})()"""

_VALUES = """(() => {
  let left = %(size)d;
  const plain = (value, depth, above) => {
    if (typeof value === 'string') { left -= value.length + 4; return left < 0 ? null : value; }
    left -= 8;
    if (typeof value === 'number' || typeof value === 'boolean') return value;
    if (typeof value !== 'object' || value === null || depth > %(depth)d || left < 0) return null;
    if (value.nodeType || value.window) return null;
    for (let one = above; one; one = one.above) if (one.value === value) return null;
    const here = {__proto__: null, value, above};
    if (Array.isArray(value)) {
      const list = [];
      for (let at = 0; at < value.length && left > 0; at++) list[at] = plain(value[at], depth + 1, here);
      return list;
    }
    const found = {__proto__: null};
    for (const name of Object.keys(value)) {
      if (left < 0) break;
      left -= name.length + 4;
      found[name] = plain(value[name], depth + 1, here);
    }
    return found;
  };
  const values = {__proto__: null};
  const read = (name, look) => {
    try { values[name] = plain(look(), 0, null); } catch { values[name] = null; }
  };
  %(reads)s
  return {__proto__: null, values, left};
})()"""

_READS = "\n  ".join(
    f"read('{name}', () => typeof {name} === 'undefined' ? null : {name});" for name in sorted(STATE_NAMES)
)
