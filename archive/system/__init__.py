"""Operating system services without any knowledge of the archive."""
