"""Measuring: campaigns, workers, interleaving, drift, stop rule and statistics.

See docs/protocol.md for what is done and why.
"""
