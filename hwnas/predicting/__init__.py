"""Latency prediction from the kernel table."""
