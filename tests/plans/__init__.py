"""What the database does for each statement of the program in a large archive."""
