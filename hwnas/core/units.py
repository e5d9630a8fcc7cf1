"""Reading and printing quantities. Inside hwnas everything is SI: seconds and bytes."""

from __future__ import annotations

import math
import re

from hwnas.core.errors import UsageError

_SECONDS = {"": 1.0, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_BYTES = {"": 1, "b": 1, "k": 2**10, "kib": 2**10, "m": 2**20, "mib": 2**20, "g": 2**30, "gib": 2**30}

#: What three digits round up to the next unit.
_ROUNDED_UP = 0.9995


def _split(
    text: str | int | float, units: dict[str, float] | dict[str, int], example: str
) -> tuple[float, str]:
    if isinstance(text, float) and math.isfinite(text) and text >= 0:
        # Python writes small and large ones with an exponent.
        return float(text), ""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*", str(text))
    if not match or match[2].lower() not in units:
        raise UsageError(f"cannot read the quantity {text!r}", f"Write it like {example}")
    return float(match[1]), match[2].lower()


def _scaled(text: str | int | float, units: dict[str, float], example: str) -> float:
    value, unit = _split(text, units, example)
    found = value * units[unit]
    if math.isinf(found):
        raise UsageError(f"the quantity {str(text)[:20]!r}... is too large", f"Write it like {example}")
    return found


def parse_seconds(text: str | int | float) -> float:
    """``"2ms"``, ``"1.5 s"``, ``"2h"`` or a bare number of seconds, as seconds [s].

    Raises:
        UsageError: Not a non-negative, finite number with a known unit.
    """
    return _scaled(text, _SECONDS, "30s, 2ms or 1.5h")


def parse_bytes(text: str | int | float) -> int:
    """``"4M"``, ``"2GiB"`` or a bare number of bytes, as bytes (units are powers of 1024).

    Raises:
        UsageError: Not a non-negative number with a known unit.
    """
    value, unit = _split(text, _BYTES, "512M or 4GiB")
    try:
        return int(value * _BYTES[unit])
    except OverflowError as error:
        raise UsageError(
            f"{str(text)[:20]!r}... is too large a number of bytes", "Write it like 512M or 4GiB"
        ) from error


def parse_count(text: str | int | float) -> float:
    """``"10M"``, ``"1.5 k"`` or a bare number, as a count (prefixes are powers of 1000).

    Raises:
        UsageError: Not a non-negative, finite number with a known prefix.
    """
    return _scaled(text, _COUNTS, "500k or 1.5G")


def format_seconds(value_s: float) -> str:
    """A latency with three significant digits, such as ``2.41 ms``."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(value_s) >= scale * _ROUNDED_UP:
            return f"{value_s / scale:#.3g} {unit}".replace(". ", " ")
    return f"{value_s / 1e-9:#.3g} ns".replace(". ", " ")


def format_duration(value_s: float) -> str:
    """A waiting time for people, such as ``1 h 04 min``, ``3 min 20 s`` or ``8 s``."""
    whole = max(0, round(value_s))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"


def format_bytes(value: float) -> str:
    """A size such as ``32 MiB`` (powers of 1024)."""
    for scale, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(value) >= scale:
            # 1000 to 1023 of a unit have four digits.
            digits = ".0f" if abs(value) >= 999.5 * scale else ".3g"
            return f"{value / scale:{digits}} {unit}"
    return f"{value:.0f} B"


def format_count(value: float) -> str:
    """A count with an SI prefix, such as ``1.82 G`` or ``11.7 M``."""
    for scale, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= scale * _ROUNDED_UP:
            return f"{value / scale:.3g}{unit}"
    return f"{value:.0f}"
