"""What a rule says where it cannot judge."""

from __future__ import annotations


class MissingEvidence(Exception):
    """A measurement that a rule needs is missing; the message says which."""
