"""Searching a space under limits: what networks cost, which one to try next, and the studies that keep trials."""
