"""The HTTP server: a chat page and an API for one model and one index (extra `serve`)."""
