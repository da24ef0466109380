"""The scheduler decides when: it starts crawls as child processes and waits for them."""
