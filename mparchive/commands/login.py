"""`mparchive login weread`: let the user sign in to WeRead by a code that the terminal shows."""

import asyncio
import io
import re
import sys
from dataclasses import dataclass

from PIL import Image
from playwright.async_api import Error as PlaywrightError

from archive.db.settings import ArchiveSettings
from archive.domain.errors import MessageError, first_line
from archive.domain.messages import Message
from archive.system.files import write_bytes
from crawler import settings as crawl_settings
from crawler.browser.own_profile import BrowserSettings, SignIn, sign_in
from crawler.discovery.config import LOGIN_NAME
from crawler.discovery.sources.weread_list import WEREAD_HOST
from crawler.discovery.weread_login import WeReadLogin
from mparchive.console import say
from mparchive.errors import CommandError, Exit

SIGN_IN_URL = f"https://{WEREAD_HOST}/#login"

CODES = (  # selectors of the code in the sign-in page, the likeliest first
    "[class*=login_dialog_qrcode] canvas",
    "[class*=login_dialog_qrcode] img",
    "[class*=qrcode] canvas",
    "[class*=qrcode] img",
    "img[src^='data:image']",
)

NEEDED = frozenset({"wr_vid", "wr_skey"})  # cookies of a session

DARK = 128  # of 255; darker pixels belong to a dark module

SMALLEST, LARGEST = 21, 177  # modules of a QR code's side

FINDER = 7  # modules of the dark line at the corner of every QR code

MARGIN = 2  # light modules around the code in the terminal

_BLACK_ON_WHITE, _NORMAL = "\x1b[30;107m", "\x1b[0m"

_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


@dataclass(frozen=True)
class LoginOptions:
    """`name` of the login, the seconds to wait for a person, and whether to show the browser's window."""

    name: str
    seconds: int
    headed: bool


def log_in(options: LoginOptions) -> Exit:
    """Show the code until somebody has scanned it. Raises CommandError."""
    if not re.fullmatch(LOGIN_NAME, options.name):
        raise CommandError(Message("mparchive.login.bad_name", {"name": repr(options.name)}))
    login = WeReadLogin(ArchiveSettings().home, options.name)
    login.prepare()
    say(Message("mparchive.login.risks"))

    def show(image: bytes) -> None:
        write_bytes(login.code_file, image, is_private=True)
        say(Message("mparchive.login.scan", {"seconds": options.seconds, "path": login.code_file}))
        sys.stdout.write(half_blocks(image, coloured=sys.stdout.isatty()))
        sys.stdout.flush()

    browser = BrowserSettings(
        crawl_settings.PLAYWRIGHT_LAUNCH_OPTIONS,
        crawl_settings.USER_AGENT,
        crawl_settings.LOOPBACK,
        options.headed,
    )
    how = SignIn(SIGN_IN_URL, CODES, NEEDED, show)
    try:
        with login.hold_profile():
            cookies = asyncio.run(sign_in(login.profile, browser, how, options.seconds))
    except PlaywrightError as error:
        reason = first_line(error)[:200]
        raise CommandError(
            Message("mparchive.login.failed", {"reason": reason}), Exit.NOTHING_FETCHED
        ) from None
    except MessageError as error:
        raise CommandError(error.message, Exit.NOTHING_FETCHED) from None
    finally:
        login.code_file.unlink(missing_ok=True)
    login.signed_in(cookies)
    say(Message("mparchive.login.done", {"path": login.folder}))
    return Exit.DONE


def half_blocks(image: bytes, *, coloured: bool) -> str:
    """Return a QR code as lines of half blocks, two modules high; empty where the image has none."""
    modules = qr_modules(image)
    if not modules:
        return ""
    side = len(modules) + 2 * MARGIN
    empty = [False] * side
    rows = [[False] * MARGIN + row + [False] * MARGIN for row in modules]
    rows = [*[empty] * MARGIN, *rows, *[empty] * MARGIN, empty]
    lines = []
    for upper, lower in zip(rows[:-1:2], rows[1::2], strict=False):
        line = "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True))
        lines.append(f"{_BLACK_ON_WHITE}{line}{_NORMAL}" if coloured else line)
    return "\n".join(lines) + "\n"


def qr_modules(image: bytes) -> list[list[bool]]:
    """Return the modules of the QR code in an image (PNG), True for dark; empty where it is none."""
    with Image.open(io.BytesIO(image)) as opened:
        grey = opened.convert("L")
    dark = grey.point(lambda value: 255 if value < DARK else 0)
    box = dark.getbbox()
    if box is None:
        return []
    code = dark.crop(box)
    finder = next((at for at in range(code.width) if not code.getpixel((at, 0))), 0)
    number = round(code.width * FINDER / finder) if finder else 0
    if (
        not SMALLEST <= number <= LARGEST
        or number % 4 != SMALLEST % 4
        or abs(code.width - code.height) > finder
    ):
        return []
    step = code.width / number
    centres = [min(code.width - 1, int((at + 0.5) * step)) for at in range(number)]
    return [[bool(code.getpixel((x, min(y, code.height - 1)))) for x in centres] for y in centres]
