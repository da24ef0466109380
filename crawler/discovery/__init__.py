"""Sources that list new posts of an account. Each is independent of the others and can fail alone."""
