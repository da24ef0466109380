"""Alembic migrations of the archive's schema; they import nothing else of the program."""
