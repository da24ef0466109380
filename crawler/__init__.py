"""The crawler gets pages, says what they are, and reads them."""
