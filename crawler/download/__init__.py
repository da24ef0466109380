"""Downloads: the handler, the hosts it may reach, and the middlewares."""
