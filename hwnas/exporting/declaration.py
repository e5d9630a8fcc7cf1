"""What a network is, as JSON from which it is built again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.resources import is_file
from hwnas.core.workload import Workload
from hwnas.netadapt.resizing import resize, shapes_of
from hwnas.workloads.build import new_module
from hwnas.workloads.models import model_name
from hwnas.workloads.spaces.workload import declared_architecture, space_model

#: Raised when older files must not be read any more.
SCHEMA = "hwnas-export-1"

#: A space of the user's own goes along under this name.
SPACE_FILE = "space.yaml"


@dataclass(frozen=True)
class Declaration:
    """A network without its weights.

    Args:
        workload: Of any kind but ``file`` and ``module``.
        shapes: Of the parameters and buffers that pruning has made smaller than declared, by their names in
            the state dictionary.
        space_file: The YAML file of a space of the user's own; None for spaces that ship, and other kinds.
    """

    workload: Workload
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    space_file: Path | None = None

    @classmethod
    def of(cls, workload: Workload, network: nn.Module) -> Declaration:
        """Declare a network that was built as `workload` says, and perhaps pruned since.

        Raises:
            UnknownName: No such pattern, network or space.
            UsageError: The workload is a file or a live object, or the network's tensors are not those that it
                declares.
        """
        if workload.kind in ("file", "module"):
            what = "a model file already" if workload.kind == "file" else "an object that cannot be built again"
            raise UsageError(
                f"{workload.name} is {what}", "Name a network as zoo:NAME, space:... or package.module:factory"
            )
        declared, found = shapes_of(new_module(workload)), shapes_of(network)
        for name in {**declared, **found}:
            if name not in found or name not in declared:
                which = "lacks" if name not in found else "has"
                raise UsageError(
                    f"the network {which} a tensor {name}, unlike {model_name(workload)}",
                    "Declare the network as it was built",
                )
        other = {name: shape for name, shape in found.items() if shape != declared[name]}
        return cls(workload, other, _own_space_file(workload))

    @property
    def model(self) -> str:
        """The network as users write it; the whole architecture of a search space."""
        return space_model(self.workload) if self.workload.kind == "space" else model_name(self.workload)

    def build(self) -> nn.Module:
        """The network in eval mode, with any weights.

        Raises:
            UnknownName: No such pattern, network or space.
            UsageError: It cannot be built as it was declared.
        """
        network = new_module(self.workload)
        if self.shapes:
            resize(network, self.shapes)
        return network

    def record(self) -> dict[str, Any]:
        """JSON-ready; :meth:`read` takes it."""
        found: dict[str, Any] = {
            "schema": SCHEMA,
            "model": self.model,
            "workload": self.workload.to_dict(),
            "space_file": SPACE_FILE if self.space_file else None,
        }
        if self.workload.kind == "space":
            found["architecture"] = declared_architecture(self.workload)[1]
        if self.shapes:
            found["pruned_shapes"] = {name: list(shape) for name, shape in self.shapes.items()}
        return found

    @classmethod
    def read(cls, path: Path) -> Declaration:
        """Read what was written with :meth:`record`; a space of the user's own is read from beside it.

        Raises:
            UsageError: The file cannot be read, or is not one of these.
        """
        told = read_record(path)
        try:
            workload = Workload.from_dict(told["workload"])
            shapes = {name: tuple(map(int, s)) for name, s in told.get("pruned_shapes", {}).items()}
            own = told.get("space_file")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"{path} is damaged: {error}", "Export the network again") from error
        if not own:
            return cls(workload, shapes)
        base = _own_name(workload.name)
        space_file = path.with_name(SPACE_FILE)
        return cls(replace(workload, name=f"{space_file}{workload.name[len(base) :]}"), shapes, space_file)


def read_record(path: Path) -> dict[str, Any]:
    """The JSON object of an export.

    Raises:
        UsageError: The file cannot be read, or is not one of these.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "Give a folder of hwnas export") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}", "Export the network again") from error
    schema = told.get("schema") if isinstance(told, dict) else None
    if schema != SCHEMA:
        raise UsageError(f"{path} has the schema {schema!r}, not {SCHEMA}", "Export the network again")
    return dict(told)


def _own_space_file(workload: Workload) -> Path | None:
    if workload.kind != "space":
        return None
    name = Path(_own_name(workload.name))
    return name if is_file(name) else None


def _own_name(name: str) -> str:
    """The path of a space's file; what stands behind an @ fits a space to other images."""
    base, at, _ = name.rpartition("@")
    return base if at and not is_file(Path(name)) else name
