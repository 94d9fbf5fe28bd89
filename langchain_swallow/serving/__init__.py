"""Answers over HTTP: a chat page and an API over one model and one index (extra `serve`)."""
