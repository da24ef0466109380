"""Verify that the archive still holds what it stored: the checks of `mparchive verify` and their report."""
