"""The archive remembers: schema, store, raw bytes, export. It imports neither crawler nor scheduler."""
