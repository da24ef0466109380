"""The scheduler decides when things are done: it starts crawls as child processes and waits for them."""
