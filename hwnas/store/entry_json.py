"""One measurement with its environment and campaign as JSON: the layout of every exchange file.

The layout says its version, and a reader refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hwnas.core.errors import UsageError
from hwnas.core.measurement import decode_blocks
from hwnas.store.records import Entry
from hwnas.store.rows import check, check_canaries

LAYOUT = "hwnas-1"

_ADAPTER = TypeAdapter(Entry)


def to_dict(entry: Entry) -> dict[str, Any]:
    """A JSON-ready dictionary; :func:`from_dict` gives the entry back."""
    return {
        "layout": LAYOUT,
        "measurement": entry.measurement.to_dict(),
        "environment": entry.environment.to_dict(),
        "campaign": asdict(entry.campaign) if entry.campaign else None,
        "macs": entry.macs,
        "parameters": entry.parameters,
        "canary_reference": dict(entry.canary_reference) if entry.canary_reference else None,
    }


def from_dict(data: Mapping[str, Any], where: str) -> Entry:
    """Rebuild from :func:`to_dict`, believing nothing.

    Args:
        data: What was read.
        where: File and line, for messages.

    Raises:
        UsageError: A field is missing, has the wrong type or an impossible value.
    """
    layout = data.get("layout")
    if layout != LAYOUT:
        raise UsageError(
            f"{where}: the layout is {layout!r}, but {LAYOUT!r} is known",
            "Give a file that hwnas db export wrote; for one of a newer hwnas, upgrade this one",
        )
    try:
        entry = _ADAPTER.validate_python(_with_blocks(data, where))
        check(entry.measurement)
        check_canaries(entry.canary_reference or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}, field {place}: {first['msg']}", "Export the file again") from error
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", "Export the file again") from error
    return entry


def _with_blocks(data: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The same with its raw samples unpacked, their types still to be checked."""
    measurement = data.get("measurement")
    if not isinstance(measurement, Mapping) or not measurement.get("blocks"):
        return data
    try:
        blocks = [vars(block) for block in decode_blocks(measurement["blocks"])]
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"{where}, field measurement.blocks: not samples as hwnas packs them "
            f"({type(error).__name__}: {error})",
            "Export the file again",
        ) from error
    return {**data, "measurement": {**measurement, "blocks": blocks}}
