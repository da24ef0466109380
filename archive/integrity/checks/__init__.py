"""The checks in the order in which they run: a finding of an earlier one may explain those of later ones."""

from archive.integrity.check import Check
from archive.integrity.checks.chains import CHAIN_CHECKS
from archive.integrity.checks.derived import DERIVED_CHECK
from archive.integrity.checks.facts import FACT_CHECKS
from archive.integrity.checks.files import BODY_CHECK, MEDIA_CHECK
from archive.integrity.checks.posts import ABSENCE_CHECK, PAGE_CHECK, POST_CHECKS
from archive.integrity.checks.rows import REFERENCE_CHECKS, SEARCH_CHECK

ALL_CHECKS: tuple[Check, ...] = (
    *REFERENCE_CHECKS,
    *CHAIN_CHECKS,
    *FACT_CHECKS,
    *POST_CHECKS,
    ABSENCE_CHECK,
    SEARCH_CHECK,
    DERIVED_CHECK,
    BODY_CHECK,
    MEDIA_CHECK,
    PAGE_CHECK,
)

CHECK_NAMES = tuple(dict.fromkeys(check.name for check in ALL_CHECKS))

__all__ = ["ALL_CHECKS", "CHECK_NAMES"]
