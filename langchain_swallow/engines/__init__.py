"""Engines turn token ids into text. They do not know chat roles or LangChain."""
