"""Token ids in, text out. Engines know no roles and no LangChain."""
