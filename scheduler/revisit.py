"""Which posts are asked again, and when: young ones often, then at growing intervals. Pure."""

from datetime import datetime, timedelta

from scheduler.rhythm import SHANGHAI

# Ages of a post at which it is asked again: most edits come within a day, take-downs within weeks.
AGES = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 72, 168, 720, 2160, 4320, 8760))


def day_of(now: datetime) -> datetime:
    """The beginning of the day in Asia/Shanghai: from when the day's budget is counted."""
    return now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
