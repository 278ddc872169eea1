"""How requests come in: the server, its connections, bodies under caps, and who leaves before the answer."""
