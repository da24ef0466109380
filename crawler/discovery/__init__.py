"""Where new posts are looked for: independent sources, each of which can fail alone."""
