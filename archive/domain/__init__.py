"""Values and rules of the archive: no SQL, no I/O, no framework."""
