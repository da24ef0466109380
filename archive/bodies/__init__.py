"""Bodies of captures as they lie in the database: exact on return, stored against earlier pages.

Pages of one template are nine tenths the same. A body is therefore stored as what it differs by from a
*reference*, an earlier capture that is stored whole; a page that no known reference fits becomes one itself.
"""

from archive.bodies.frames import MAX_BODY, unpack
from archive.bodies.packing import Packed, packed
from archive.bodies.reading import bodies, body_of
from archive.bodies.references import References

__all__ = ["MAX_BODY", "Packed", "References", "bodies", "body_of", "packed", "unpack"]
