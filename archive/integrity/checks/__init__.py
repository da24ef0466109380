"""The checks, in the order in which they are made: what explains the rest comes first."""

from archive.integrity.check import Check
from archive.integrity.checks import absences, bodies, chains, media, pages, posts, seals, ties, words

CHECKS: tuple[Check, ...] = (
    *seals.CHECKS,
    *ties.CHECKS,
    *chains.CHECKS,
    *posts.CHECKS,
    *absences.CHECKS,
    *words.CHECKS,
    *bodies.CHECKS,
    *media.CHECKS,
    *pages.CHECKS,
)

NAMES = tuple(dict.fromkeys(check.name for check in CHECKS))

__all__ = ["CHECKS", "NAMES"]
