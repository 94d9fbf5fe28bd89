"""Turns laid-out pages into text: joins lines, finds headings, contents and running lines."""
