"""What people hand in: dumps, lists, saved pages, WARC, WACZ, accounts; told apart by their content."""
