"""Which language a reader is answered in: the one asked for, else what the browser prefers. Pure."""

from archive.web.pages.words import LANGUAGES, Language

MOST_PREFERENCES = 20  # of a header that are looked at; browsers send under ten


def chosen_language(asked: str | None, accepted: str) -> Language:
    """`asked` is the address's ?lang=, `accepted` the header Accept-Language; English where neither tells."""
    for language in LANGUAGES:
        if asked == language:
            return language
    for tag in _by_preference(accepted):
        for language in LANGUAGES:
            if tag.partition("-")[0] == language:
                return language
    return "en"


def _by_preference(accepted: str) -> list[str]:
    ranges = [part.partition(";") for part in accepted.split(",")[:MOST_PREFERENCES]]
    weighed = [(_weight(parameter), tag.strip().lower()) for tag, _, parameter in ranges]
    return [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight > 0]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
