"""Searching a space under limits: costs, samplers, and the studies that keep trials."""
