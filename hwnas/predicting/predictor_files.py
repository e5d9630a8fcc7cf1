"""A predictor on disk: JSON for what people may read, NumPy arrays for its forests; no pickle."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.predicting.features import feature_names
from hwnas.predicting.forest import Forest
from hwnas.predicting.hosts import difference
from hwnas.predicting.kernel_model import CategoryModel, KernelModel, Lookup
from hwnas.predicting.known_networks import KnownNetwork
from hwnas.predicting.network_model import NetworkModel
from hwnas.predicting.network_shape import SHAPE
from hwnas.predicting.predictor import LatencyPredictor, Limits

#: Raised when older predictors must not be read any more.
SCHEMA = 5
#: Whose presence makes a folder a predictor.
PREDICTOR_FILE = "predictor.json"
_ARRAYS = "forests.npz"
#: Numbers of :class:`NetworkModel`, and what stands before the arrays of its forest, where it has one.
_CALIBRATION = ("factor", "per_kernel_s", "floor", "quantile")
_REST = "rest"


def save_predictor(predictor: LatencyPredictor, folder: Path) -> Path:
    """Write a predictor; one that is there stays until all of the new one is written.

    Raises:
        UsageError: The folder cannot be written.
    """
    k = predictor.kernel_model
    models = {
        **{f"category:{name}": m for name, m in k.categories.items()},
        **{f"kind:{name}": m for name, m in k.kinds.items()},
        "everything": k.everything,
    }
    text: dict[str, Any] = {
        "schema": SCHEMA,
        "backend": predictor.backend,
        "threads": predictor.threads,
        "fingerprint": predictor.environment.fingerprint,
        "environment": predictor.environment.to_dict(),
        "networks": predictor.networks,
        "units": {"time": "s", "size": "B"},
        "limits": vars(predictor.limits),
        "calibration": {name: getattr(predictor.network_model, name) for name in _CALIBRATION},
        "geometries": list(k.geometries),
        "free": sorted(k.free),
        "types": sorted(k.types),
        "models": {
            name: {"limits": m.limits.tolist(), "spread": m.spread, "kernels": m.count}
            for name, m in models.items()
        },
        "measured_networks": {key: list(v) for key, v in sorted(predictor.known.items())},
        "kernels": {key: [v.time_s, v.spread, v.count] for key, v in sorted(k.table.items())},
    }
    arrays = {
        f"{number}/{name}": array
        for number, m in enumerate(models.values())
        for name, array in {**m.forest.arrays(), "low": m.low, "high": m.high}.items()
    }
    if predictor.network_model.rest is not None:
        own = predictor.network_model.rest.arrays()
        arrays |= {f"{_REST}/{name}": array for name, array in own.items()}
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    # Tells forests that belong to another text, should this be killed as the two files take their places.
    text["forests_sha256"] = hashlib.sha256(packed.getvalue()).hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Both are written before either takes its place, the forests first: what has no text is no predictor.
        with _replacing(folder / PREDICTOR_FILE) as written, _replacing(folder / _ARRAYS) as forests:
            forests.write_bytes(packed.getvalue())
            written.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write the predictor to {folder}: {error.strerror}", "Give another --out"
        ) from error
    return folder


class _replacing:  # noqa: N801 - reads as a verb
    """A file beside the one it takes the place of when all went well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        os.close(handle)
        self._part = Path(name)

    def __enter__(self) -> Path:
        return self._part

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._part.chmod(0o644)
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def load_predictor(folder: Path, here: Environment, *, any_host: bool = False) -> LatencyPredictor:
    """Read a predictor; see :meth:`LatencyPredictor.load`.

    Raises:
        UsageError: It is not there or damaged, has another schema, or was made for another host.
    """
    try:
        text = json.loads((folder / PREDICTOR_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"there is no predictor in {folder}", "Make one with hwnas fit") from error
    except (OSError, ValueError) as error:
        raise _damaged(folder, error) from error
    schema = text.get("schema") if isinstance(text, dict) else None
    if schema != SCHEMA:
        raise UsageError(
            f"the predictor in {folder} has the schema {schema!r}, and this hwnas reads {SCHEMA}",
            "Make it again with hwnas fit",
        )
    try:
        packed = (folder / _ARRAYS).read_bytes()
        if hashlib.sha256(packed).hexdigest() != text["forests_sha256"]:
            raise ValueError(f"{_ARRAYS} does not belong to {PREDICTOR_FILE}")
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            predictor = _rebuilt(text, arrays)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise _damaged(folder, error) from error
    predictor.elsewhere = difference(predictor.environment, here)
    if predictor.elsewhere and not any_host:
        raise UsageError(
            f"the predictor in {folder} was {predictor.elsewhere}",
            "Make one here with hwnas fit, adapt it with hwnas fit --from, or take it as it is: hwnas predict "
            "--any-host, and any_host=True in Python",
        )
    return predictor


def _damaged(folder: Path, error: Exception) -> UsageError:
    return UsageError(f"the predictor in {folder} cannot be read: {error}", "Make it again with hwnas fit")


def _rebuilt(text: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> LatencyPredictor:
    models: dict[str, CategoryModel] = {}
    for number, (name, told) in enumerate(text["models"].items()):
        columns = len(feature_names(text["geometries"]))
        if not len(arrays[f"{number}/low"]) == len(arrays[f"{number}/high"]) == columns:
            raise ValueError("the ranges of its features are of another number of features")
        if len(told["limits"]) != 3:
            raise ValueError("a category has not three limits")
        models[name] = CategoryModel(
            limits=np.array(told["limits"], dtype=float),
            forest=_forest(arrays, str(number), columns),
            low=arrays[f"{number}/low"],
            high=arrays[f"{number}/high"],
            spread=float(told["spread"]),
            count=int(told["kernels"]),
        )

    known = {k: KnownNetwork(*map(float, v)) for k, v in text["measured_networks"].items()}
    if not all(0 < value < math.inf for one in known.values() for value in one):
        raise ValueError("a measured latency is no positive number")
    numbers = [*text["calibration"].values(), *text["limits"].values()]
    if not all(map(math.isfinite, numbers)) or min(text["limits"].values()) <= 0:
        raise ValueError("its calibration or its limits are no positive numbers")

    def named(level: str) -> dict[str, CategoryModel]:
        return {n.removeprefix(level): m for n, m in models.items() if n.startswith(level)}

    return LatencyPredictor(
        backend=text["backend"],
        threads=int(text["threads"]),
        environment=Environment.from_dict(text["environment"]),
        kernel_model=KernelModel(
            categories=named("category:"),
            kinds=named("kind:"),
            everything=models["everything"],
            table={k: Lookup(float(t), float(s), int(n)) for k, (t, s, n) in text["kernels"].items()},
            free=frozenset(text["free"]),
            types=frozenset(text["types"]),
            geometries=tuple(text["geometries"]),
        ),
        network_model=NetworkModel(
            **text["calibration"],
            rest=_forest(arrays, _REST, len(SHAPE)) if f"{_REST}/roots" in arrays else None,
        ),
        limits=Limits(**text["limits"]),
        networks=int(text["networks"]),
        known=known,
    )


def _forest(arrays: Mapping[str, np.ndarray], name: str, columns: int) -> Forest:
    """A forest of so many features."""
    forest = Forest.of_arrays({n: arrays[f"{name}/{n}"] for n in Forest.__dataclass_fields__})
    if int(forest.feature.max()) >= columns:
        raise ValueError("a node asks for a feature that there is not")
    return forest
