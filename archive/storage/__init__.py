"""Store bytes: page bodies and media files."""
