"""What shows that the archive is what was archived: chains, seals, and the checks of `mparchive verify`."""
