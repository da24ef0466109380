"""Random kills and faults, repeatable by a seed, and what the archive must be afterwards."""
