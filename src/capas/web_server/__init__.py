"""Web applications behind one guard: middleware that checks every request, and the server that runs it."""
