"""The text of a new mparchive.toml: what is known filled in, everything else there to be uncommented."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import tomlkit
from tomlkit.items import Table

_HEAD = """\
What mparchive watches. Everything behind a # is off; the values shown are the defaults or examples.
Times of day are in Asia/Shanghai; file names are seen from this file's folder. No secret belongs in here:
name the file or the environment variable that holds it (credentials_file or credentials_env, secret_file or
secret_env, urls_file or urls_env)."""

_ACCOUNT = """\
Where its new posts may be seen; each source can fail alone, so give more than one. Links between its posts
are always followed."""

_SOURCES = """\
follow_albums = true  # also the albums met in its posts
feeds = ["https://rsshub.example/wechat/NAME?key={env:RSSHUB_KEY}"]  # RSS, Atom or JSON Feed
addresses_file = "addresses.txt"  # addresses by hand, one a line, read anew each time
own_backend = { credentials_file = "backend_login" }  # your own account: cookie and token of mp.weixin.qq.com
official = { appid = "wx0123456789abcdef", secret_file = "app_secret" }  # your own account: the interface
digest_title = "一周要闻"  # in the title of the posts that list the week; a regular expression
every_minutes = 60  # always; without it, by the account's own rhythm"""

_REST = """\
[schedule]
quiet_hours = "23:30-06:30"  # nothing is asked
default_minutes = 60  # between two looks, until the archive has shown the account's rhythm
shortest_minutes = 15  # when it usually publishes
longest_minutes = 720  # when it never does
jitter_percent = 10  # of each interval, either way
every_minutes = { album = 60, own_backend = 120 }  # by kind of source; feed, official, list, neighbours too

[inbox]
folder = "inbox"  # dumps, lists, saved pages and WARC files put there are taken in

[alarms]
urls_file = "alarms"  # whom to tell: one address a line, see https://github.com/caronc/apprise/wiki
again_after_hours = 6  # at most one alarm of a kind in so long

[reading_room]
listen = "127.0.0.1:8788"  # where `mparchive run` serves the archive to browsers; not here alone: set a token

[limits]
pages_a_crawl = 500  # 50 minutes at 6 s each
crawl_minutes = 60
revisits_a_day = 200  # of posts that are archived, for edits and take-downs
free_disk_mb = 2048  # less raises an alarm
quiet_after_hours = 36  # no account is called quiet sooner"""


@dataclass
class FoundAccount:
    """An account that a configuration is to watch; `albums` holds titles by id, those met in its posts."""

    biz: str
    name: str = ""
    albums: dict[str, str] = field(default_factory=dict)


def written(accounts: Iterable[FoundAccount]) -> str:
    """A configuration of these accounts, valid as it stands and with any of its examples uncommented."""
    document = tomlkit.document()
    for line in _HEAD.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    tables = tomlkit.aot()
    for account in accounts:
        tables.append(_table(account))
    document.append("accounts", tables)
    return tomlkit.dumps(document) + "\n" + "".join(_commented(_REST))


def _table(account: FoundAccount) -> Table:
    table = tomlkit.table()
    table.add("biz", account.biz)
    table.add("name", account.name or account.biz)
    if not account.name:
        table.add(tomlkit.comment("its page could not be read: write the account's name in the line above"))
    for line in _ACCOUNT.splitlines():
        table.add(tomlkit.comment(line))
    for line in [*_albums(account), *_SOURCES.splitlines()]:
        table.add(tomlkit.comment(line))
    return table


def _albums(account: FoundAccount) -> list[str]:
    """One line that names every album met, or shows how one is named."""
    if not account.albums:
        return ['albums = ["https://mp.weixin.qq.com/mp/appmsgalbum?album_id=…"]']
    ids = ", ".join(f'"{album}"' for album in account.albums)
    titles = ", ".join(" ".join(title.split()) for title in account.albums.values())
    return [f"albums = [{ids}]  # met in its posts: {titles}"]


def _commented(text: str) -> Iterable[str]:
    return (f"# {line}\n" if line else "\n" for line in text.splitlines())
