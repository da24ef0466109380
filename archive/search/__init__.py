"""Search posts for words: the query language, the engine, excerpts and ranking (docs/reference/search.md)."""
