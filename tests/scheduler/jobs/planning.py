"""What tests of jobs share: an instant, egresses, and posts whose addresses are due."""

from datetime import timedelta

from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.repository import frontier
from scheduler.config import Limits
from tests.scheduler.test_polling import at
from tests.standin.week import WEEK

NOW = at("2025-11-17 10:00")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIMITS = Limits()
EGRESSES = ["home", "office"]


def sight(engine: Engine, posts: int = 1) -> None:
    """Sight the first posts of the synthetic week, so that their addresses are due."""
    seen = [SightingData(parse_address(post.url), "test", NOW) for post in WEEK[:posts]]
    with transaction(engine) as session:
        frontier.record_sightings(session, None, seen, NOW)
