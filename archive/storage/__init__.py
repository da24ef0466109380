"""Bytes: how page bodies are encoded and stored, and the folder of media files."""
