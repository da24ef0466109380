"""A sketch of a page: a sample of what it is made of, by which a page of the same template is known.

Trying a page against every reference takes 5 ms each; comparing sketches finds the one or two to try.
"""

import re

Sketch = frozenset[int]

# What stands behind a word that scripts and markup of any page are full of: the same words fall into the
# sample wherever they stand in a page, and another build of a script has others. Each begins with letters
# and not with a class, by which `re` looks for them at a gigabyte a second.
_SAMPLES = (re.compile(rb"function.{120}", re.DOTALL), re.compile(rb'="[a-z].{120}', re.DOTALL))


def sketch(body: bytes) -> Sketch:
    """Hashes of the samples, as this process hashes: a few thousand of a page of 3 MB."""
    return frozenset().union(*(map(hash, pattern.findall(body)) for pattern in _SAMPLES))


def likeness(page: Sketch, reference: Sketch) -> float:
    """Which share of the page's samples the reference has as well, 0 to 1."""
    return len(page & reference) / len(page) if page else 0.0
