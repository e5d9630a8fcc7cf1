"""What can be measured, as a declaration that another process can rebuild."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from hwnas.core.errors import UsageError

Scalar = str | int | float | bool

#: Where a workload's definition lives. ``zoo`` are networks that hwnas has written itself, ``space`` those of
#: a search space; ``layers`` are chains of layers that serve to measure kernels. ``module`` is a live object
#: passed to :func:`hwnas.measure`; only its digest is stored, so it cannot be rebuilt later.
KINDS = ("pattern", "torchvision", "timm", "zoo", "space", "layers", "factory", "file", "module")


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no white space: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


@dataclass(frozen=True)
class Workload:
    """One network at one input shape.

    Args:
        kind: One of :data:`KINDS`.
        name: Pattern name, model name, ``package.module:factory``, file path, or a search space's name.
        input_shape: Shape of the input tensor ``(batch, ...)``, float32.
        params: What else defines the network, for example a pattern's depth and width.
            Keys are sorted, so the order in which they are given does not matter.
        seed: Seed of the random weights and of the input values.

    Raises:
        UsageError: Unknown kind, or an input shape with a non-positive dimension.
    """

    kind: str
    name: str
    input_shape: tuple[int, ...]
    params: Mapping[str, Scalar] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"unknown workload kind {self.kind!r}", f"Known: {', '.join(KINDS)}")
        shape = tuple(int(d) for d in self.input_shape)
        if not shape or any(d < 1 for d in shape):
            raise UsageError(
                f"input shape {list(self.input_shape)} has a dimension below 1",
                "Give positive sizes, batch first, such as 1x3x224x224",
            )
        object.__setattr__(self, "input_shape", shape)
        ordered = {k: self.params[k] for k in sorted(self.params)}
        object.__setattr__(self, "params", MappingProxyType(ordered))

    def __hash__(self) -> int:
        return hash(self.key)

    # MappingProxyType cannot be pickled or deep-copied; a workload can.
    def __reduce__(self) -> tuple[Any, ...]:
        return (Workload.from_dict, (self.to_dict(),))

    @property
    def batch(self) -> int:
        """Number of images in one inference."""
        return self.input_shape[0]

    # Kept beside the fields, so that equality, copies and pickles do not know of it.
    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits of SHA-256 over the canonical JSON: the identity in a database."""
        return hashlib.sha256(canonical_json(self.to_dict()).encode()).hexdigest()[:16]

    @property
    def short_name(self) -> str:
        """The name; six digits stand for the architecture of a search space, which is as long as a line."""
        if self.kind != "space":
            return self.name
        text = f"{self.params.get('digest')} {self.params.get('architecture')}"
        return f"{PurePath(self.name).stem}#{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    @property
    def label(self) -> str:
        """A short name for people, such as ``standard d10 w64 56x56 b1``."""
        size = "x".join(str(d) for d in self.input_shape[2:]) or str(self.input_shape[1:])
        if self.kind == "layers":
            return f"{self.params.get('layers', self.name)} on {self.input_shape[1]}x{size} b{self.batch}"
        if self.kind == "pattern":
            depth, width = self.params.get("depth"), self.params.get("width")
            return f"{self.name} d{depth} w{width} {size} b{self.batch}"
        return f"{self.short_name} {size} b{self.batch}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; :meth:`from_dict` gives the workload back."""
        return {
            "kind": self.kind,
            "name": self.name,
            "input_shape": list(self.input_shape),
            "params": dict(self.params),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Workload:
        """Rebuild from :meth:`to_dict`.

        Raises:
            UsageError: A key is missing, or a value is out of range.
        """
        try:
            return cls(
                kind=data["kind"],
                name=data["name"],
                input_shape=tuple(data["input_shape"]),
                params=dict(data.get("params", {})),
                seed=int(data.get("seed", 0)),
            )
        except KeyError as error:
            raise UsageError(f"workload without the key {error}", "Give kind, name and input_shape") from error
