"""`python -m tests.standin`: serve on loopback and print the origin when it listens."""

import argparse
import json
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.web.server import Site as WebServer

from tests.standin.dump import dump_posts
from tests.standin.faults import fault_of
from tests.standin.pages import Shown, catalogue
from tests.standin.server import Front
from tests.standin.site import Site, load_captures
from tests.standin.week import publish_week

REAL_WEIGHT = 2_500_000  # bytes of script: real pages of 2025-11 and later have 2.4 to 4.0 MB
EXAMPLE = '{"kind": "verification", "after": 5, "times": 2}'
IDLE = 60  # seconds until an idle connection is closed


def main() -> None:
    """Build the site that was asked for and serve it until killed."""
    options = _options()
    site = Site(options.weight, styled=options.styled)
    if options.dump:
        for post in dump_posts(options.dump):
            site.add(Shown(post))
    if options.week:
        publish_week(site)
    if not (options.dump or options.week):
        for shown in catalogue():
            site.add(shown)
    if options.captures:
        load_captures(site, options.captures)
    site.prepare()
    _serve(site, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--weight", type=int, default=REAL_WEIGHT, help="bytes of script in a post's page")
    parser.add_argument("--dump", type=Path, help="serve a page for each record of this dump")
    parser.add_argument("--week", action="store_true", help="serve the synthetic week")
    parser.add_argument("--styled", action="store_true", help="pages load style sheets")
    parser.add_argument("--captures", type=Path, help="also serve the saved pages below this folder")
    parser.add_argument(
        "--fault",
        type=lambda given: fault_of(json.loads(given)),
        action="append",
        default=[],
        help="in force from the start, as JSON, for example " + EXAMPLE,
    )
    return parser.parse_args()


def _serve(site: Site, options: argparse.Namespace) -> None:
    front = Front(site)
    for fault in options.fault:
        front.faults.add(fault)
    port = reactor.listenTCP(options.port, WebServer(front, timeout=IDLE), interface=options.host)
    sys.stdout.write(f"http://{options.host}:{port.getHost().port}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
