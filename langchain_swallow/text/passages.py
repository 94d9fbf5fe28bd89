"""A passage as it is embedded, searched and shown to a model."""

from collections.abc import Mapping
from typing import Any


def passage_text(text: str, metadata: Mapping[str, Any]) -> str:
    """What is embedded, searched and prompted for a passage: its place, then its text.

    A row of a price list or a clause does not say what it is about; its title and headings do.
    """
    parts = [metadata.get("title"), *str(metadata.get("headings", "")).split(" > ")]
    place = [str(part) for part in dict.fromkeys(parts) if part]
    # A section begins with its own heading; it need not stand there twice.
    if place and text.startswith(place[-1]):
        del place[-1]
    return f"{' > '.join(place)}\n{text}" if place else text
