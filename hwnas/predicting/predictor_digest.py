"""Which predictor it is: a digest of all that it has learned."""

from __future__ import annotations

import hashlib

from hwnas.measuring.scratch import scratch_folder
from hwnas.predicting.predictor import LatencyPredictor

_DIGITS = 12


def predictor_digest(predictor: LatencyPredictor) -> str:
    """12 hexadecimal digits over what is written of a predictor: equal for equal ones alone.

    Args:
        predictor: Made or read.

    Raises:
        HwnasError: There is no room for temporary files.
    """
    found = hashlib.sha256()
    with scratch_folder() as folder:
        for path in sorted(predictor.save(folder).iterdir()):
            found.update(path.name.encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:_DIGITS]
