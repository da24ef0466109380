"""The sources, one module each. They do no I/O: they yield requests and are sent the replies."""
