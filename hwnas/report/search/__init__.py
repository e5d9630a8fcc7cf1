"""The page of a search, from its ``result.json`` alone."""
