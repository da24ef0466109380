"""Gettext catalogues: the text of a message code in English or Chinese.

Each package keeps its catalogues in `<package>/locale/<language>/LC_MESSAGES/<package>.po`, and the compiled
`.mo` beside it (`make catalogues`). The part of a code before its first dot names the package that owns it.
"""

import gettext
import os
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

Language = Literal["en", "zh"]

LANGUAGES: tuple[Language, ...] = ("en", "zh")
LANGUAGE_VARIABLE = "MPARCHIVE_LANG"
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in the order in which POSIX looks at them


def language_of(environment: Mapping[str, str]) -> Language:
    """Return the language to speak: MPARCHIVE_LANG, else that of the locale, else English."""
    chosen = environment.get(LANGUAGE_VARIABLE, "")
    locale = next((environment[name] for name in _LOCALE_VARIABLES if environment.get(name)), "")
    return "zh" if (chosen or locale).lower().startswith("zh") else "en"


def is_language(text: str) -> bool:
    """Tell whether a value of MPARCHIVE_LANG names a language of the program, as zh or zh_CN.UTF-8."""
    return text[:2].lower() in LANGUAGES and not text[2:3].isalnum()


@cache
def process_language() -> Language:
    """Return the language of this process, decided once from its environment."""
    return language_of(os.environ)


@lru_cache(maxsize=8192)  # there are 2,100 codes in two languages
def template(code: str, language: Language, number: int | None = None) -> str | None:
    """Return the text of a code with its named fields, or None for an unknown code.

    `number` selects the plural form where the catalogue has several.
    """
    texts = catalogue(code.partition(".")[0], language)
    if number is not None and (plural := texts.ngettext(code, code, number)) != code:
        return plural
    text = texts.gettext(code)
    return None if text == code else text


@cache
def catalogue(package: str, language: Language) -> gettext.NullTranslations:
    """Load one compiled catalogue; a package without one yields an empty catalogue."""
    try:
        compiled = resources.files(package) / "locale" / language / "LC_MESSAGES" / f"{package}.mo"
        with compiled.open("rb") as file:
            return gettext.GNUTranslations(file)
    except (ModuleNotFoundError, ValueError, FileNotFoundError):
        return gettext.NullTranslations()
