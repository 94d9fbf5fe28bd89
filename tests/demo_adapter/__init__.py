"""How the demo model's adapter is trained: data, split, recipe."""
