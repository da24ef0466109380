"""A published week of the invented commission."""

from tests.standin.site import Site


def publish_week(site: Site) -> None:
    raise NotImplementedError
