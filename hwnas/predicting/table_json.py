"""How a latency table is written down: JSON that states its layout and its unit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hwnas.core.errors import UsageError
from hwnas.predicting.latency_factor import Factor
from hwnas.predicting.per_choice import refuse_repeated

#: What every file states; a reader refuses anything else.
HEAD = {"layout": "hwnas-latency-table-1", "unit": "s"}

Table = TypeVar("Table")


def rebuilt(make: Callable[..., Table], data: Mapping[str, Any]) -> Table:
    """The table that `make` makes of what was written.

    Raises:
        UsageError: Another layout or unit, a key is missing, or a value is out of range.
    """
    for key, known in HEAD.items():
        if data.get(key) != known:
            raise UsageError(
                f"the {key} is {data.get(key)!r}, but {known!r} is known",
                "Give what LatencyTable.save wrote; for a newer hwnas's file, upgrade this one",
            )
    try:
        refuse_repeated("choice", [choice["name"] for choice in data["choices"]])
        return make(
            {choice["name"]: choice["options"] for choice in data["choices"]},
            [Factor(f["name"], f["choices"], f["seconds"], f.get("keys")) for f in data["factors"]],
            data["constant_s"],
            backend=data["backend"],
            host=data["host"],
            batch=data["batch"],
            deviation=data.get("deviation"),
            space_digest=data.get("space_digest", ""),
            guessed=data.get("guessed", ()),
        )
    except KeyError as error:
        raise UsageError(f"a latency table without the key {error}", "Save it again") from error
    except (AttributeError, TypeError) as error:
        raise UsageError(f"not a latency table ({error})", "Save it again") from error


def write(data: Mapping[str, Any], path: str | Path) -> None:
    """Write a table's dictionary; floating-point numbers keep every digit.

    Raises:
        UsageError: The file cannot be written.
    """
    text = json.dumps(data, allow_nan=False)
    try:
        Path(path).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror or error})", "Give another file"
        ) from error


def read(path: str | Path) -> dict[str, Any]:
    """The dictionary in a file, not yet checked.

    Raises:
        UsageError: The file cannot be read, or holds no JSON object.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error})", "Check the path") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error})", "Give what LatencyTable.save wrote") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path} is not a JSON object", "Give what LatencyTable.save wrote")
    return data
