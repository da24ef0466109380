"""What is written down in English, said in Chinese: alarms, states of sources, evidence, failures. Pure.

The sentences are made where they are logged, sent and stored; the modules here know them by their form.
"""

from functools import lru_cache, partial

from web.locale.sentences.configuration import CONFIGURATION
from web.locale.sentences.failures import FAILURES
from web.locale.sentences.gaps import GAPS
from web.locale.sentences.health import HEALTH
from web.locale.sentences.names import NAMES
from web.locale.sentences.readings import READINGS
from web.locale.sentences.sources import SOURCES
from web.locale.sentences.template import Template

MAX_LENGTH = 4000  # characters; what is longer quotes somebody at length, and stays as it is

MOST_NESTED = 6  # sentences within sentences; an alarm of a source with two remarks has four

_REMEMBERED = 4096  # a page of gaps has the same remedies over and over

CATALOGUE = {**HEALTH, **SOURCES, **GAPS, **READINGS, **CONFIGURATION, **FAILURES}


def _templates() -> list[Template]:
    """The most specific first. A remark, which ends with a full stop, may also follow another sentence."""
    made = [Template(english, chinese) for english, chinese in CATALOGUE.items()]
    made += [
        Template(f"{{before:sentence}} {english}", f"{{before}}；{chinese}")
        for english, chinese in CATALOGUE.items()
        if english.endswith(".")
    ]
    return sorted(made, key=lambda template: -template.weight)


TEMPLATES = _templates()


@lru_cache(_REMEMBERED)
def translated(sentence: str) -> str | None:
    """A sentence or word of the program in Chinese; None for any other text."""
    return _said(MOST_NESTED, sentence) if len(sentence) <= MAX_LENGTH else None


def _said(depth: int, sentence: str) -> str | None:
    if sentence in NAMES:
        return NAMES[sentence]
    if depth == 0:
        return None
    say = partial(_said, depth - 1)
    return next((said for one in TEMPLATES if (said := one.fit(sentence, say)) is not None), None)
