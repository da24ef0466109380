"""The `mparchive` command: arguments in, work called, words and exit codes out."""
