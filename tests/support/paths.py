"""Folders of the checkout, wherever a test module lies."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
DOCUMENTS = ROOT / "examples" / "documents"
# Data with licenses of their own, beside the checkout where there is any; tests skip without.
SHARED = ROOT.parent / "shared"
