"""Pure functions on Japanese text; the standard library only, but for one detector of last resort."""
