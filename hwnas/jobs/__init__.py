"""Whole searches: from what a user asks for to a folder with a network, its proof and a page."""
