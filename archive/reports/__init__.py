"""Read models across the archive: status, history, statistics, metrics."""
