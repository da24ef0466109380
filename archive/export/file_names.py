"""Names of exported files: readable, each used once, and valid on every common file system."""

import unicodedata

from archive.db.models import Post

MAX_TITLE = 40  # characters of a title in a file's name

MAX_NAME = 200  # bytes of a name, of 255: the rest is for a number, a date and endings such as .warc.gz

_FORBIDDEN = frozenset('/\\:*?"<>|')

_DEVICES = frozenset({  # of Windows, whatever follows after a dot
    "con", "prn", "aux", "nul", "conin$", "conout$",
    *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"),
})  # fmt: skip


def as_file_name(name: str, max_bytes: int = MAX_NAME) -> str:
    """Return a name of at most `max_bytes`, without what some file system does not accept."""
    valid = "".join("_" if char in _FORBIDDEN or not char.isprintable() else char for char in name)
    valid = valid.encode()[:max_bytes].decode(errors="ignore").strip(". ") or "_"
    is_device = valid.partition(".")[0].strip().lower() in _DEVICES
    return f"_{valid}"[:max_bytes] if is_device else valid


class FileNames:
    """Give names without endings, each once.

    Names count as equal that some file system takes for equal: that differ in the case of letters, or in how
    a letter is composed.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()

    def of_post(self, post: Post) -> str:
        """Return the name of a post's file: `<date>-<aid>-<title>`."""
        title = as_file_name(" ".join(post.title.split())[:MAX_TITLE])
        name = f"{post.published_on.isoformat()}-{post.aid}-{title}"
        return self._unique(name, str(post.account_id))  # another account may have the same aid

    def of_account(self, name: str, biz: str) -> str:
        """Return the name of an account's file, with its biz where another account has the same name."""
        return self._unique(name, biz)

    def _unique(self, name: str, suffix: str) -> str:
        base = as_file_name(name)
        ending, number = "", 1
        while _compared(base + ending) in self._used:
            ending = as_file_name(f"-{suffix}" if number == 1 else f"-{suffix}-{number}", MAX_NAME // 2)
            base = as_file_name(name, MAX_NAME - len(ending.encode()))
            number += 1
        self._used.add(_compared(base + ending))
        return base + ending


def _compared(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
