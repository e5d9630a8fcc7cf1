"""One primitive or fused operator, as a backend really ran it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kernel:
    """One executed kernel of a measured network.

    Args:
        position: Place in the order of execution, from 0.
        name: The backend's own name of the node.
        type: Operator type, for example ``Convolution``.
        implementation: The primitive that ran, for example ``brgconv_avx2_f32``.
        precision: Runtime precision, for example ``f32``.
        layout: Output memory layout, for example ``nhwc``, where the backend tells.
        fused: Names of the source operators that run inside this kernel.
        time_s: Time in place under the backend's own profiler [s], or None where it does not tell.
        attributes: ``input_shapes``; of a convolution ``stride``, ``padding``, ``dilation`` and ``groups``;
            ``llc_misses`` by cache geometry where they were modelled; ``constant`` where it gives the same in
            every inference and runs while compiling; and whatever else the backend tells.
    """

    position: int
    name: str
    type: str
    implementation: str
    precision: str
    layout: str | None = None
    fused: tuple[str, ...] = ()
    time_s: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; :meth:`from_dict` gives the kernel back."""
        # Not `asdict`, which copies every shape: networks have hundreds of thousands of kernels.
        return {**vars(self), "fused": list(self.fused), "attributes": dict(self.attributes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Kernel:
        """Rebuild from :meth:`to_dict`."""
        return cls(**{**data, "fused": tuple(data.get("fused", ()))})
