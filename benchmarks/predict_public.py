"""How well are other people's latency tables predicted, from few and from many of their rows?

The tables are not part of the project: name the folder that holds them. Baselines stand in the same run. "Ours"
is :class:`hwnas.predicting.encoded.EncodedPredictor`; on timm's networks a model of this benchmark is judged,
which is not in the package, since a predictor learns from kernels' times and that table has none.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from public_networks import JUDGED, network_table
from reporting import run
from scipy.stats import spearmanr
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge

from hwnas.predicting.encoded import ChoiceEncoding, EncodedPredictor, most_telling

_OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
#: Multiply-adds of an operator in units of a pointwise convolution.
_WORK = np.array([0.0, 0.0, 1.0, 9.0, 0.0])
_SEEDS = 20


def main(options: Namespace) -> dict[str, Any]:
    folder = Path(options.tables)
    nas = pd.read_csv(folder / "nasbench201.csv.gz")
    codes = np.array([[_OPERATORS.index(o.split("~")[0]) for o in _tokens(a)] for a in nas["arch"]])
    rows: dict[str, Any] = {}
    encoding = ChoiceEncoding((5,) * 6)
    for device in ("gold_6226", "silver_4210r"):
        y = nas[_column(nas, device)].to_numpy(float)
        for count in (10, 20, 900):
            rows[f"nasbench201 {device} {count}"] = _compare(
                encoding, codes, y, count, codes_work=_WORK[codes].sum(axis=1)
            )
            print(f"nasbench201 {device} {count}", rows[f"nasbench201 {device} {count}"], flush=True)
    fb = pd.read_csv(folder / "fbnet.csv.gz")
    gold, silver = _column(fb, "gold_6226"), _column(fb, "silver_4210r")
    blocks = np.array([[int(block) for block in text.split()] for text in fb["arch"]])
    encoding = ChoiceEncoding((9,) * blocks.shape[1])
    for device, other in ((gold, silver), (silver, gold)):
        y, there = fb[device].to_numpy(float), fb[other].to_numpy(float)
        for count in (20, 800):
            rows[f"fbnet {device} {count}"] = _compare(encoding, blocks, y, count)
            print(f"fbnet {device} {count}", rows[f"fbnet {device} {count}"], flush=True)
        rows[f"fbnet {device} 20 with the other Xeon"] = _transferred(encoding, blocks, y, there, 20)
        print("transferred", rows[f"fbnet {device} 20 with the other Xeon"], flush=True)
    if not options.without_timm:
        rows["timm i7-12700H"] = _timm(folder, options)
        print("timm", rows["timm i7-12700H"], flush=True)
    bars = {
        "nasbench201 gold_6226 10: rho": rows["nasbench201 gold_6226 10"]["ours, chosen"]["rho"] >= 0.989,
        "nasbench201 gold_6226 900: within 10 %": rows["nasbench201 gold_6226 900"]["ours"]["within_10"]
        >= 95.2,
        "nasbench201 silver_4210r 900: within 10 %": rows["nasbench201 silver_4210r 900"]["ours"]["within_10"]
        >= 98.2,
        f"fbnet {gold} 800: rho": rows[f"fbnet {gold} 800"]["ours"]["rho"] >= 0.973,
        f"fbnet {gold} 20 with the other Xeon: rho": rows[f"fbnet {gold} 20 with the other Xeon"]["ours"]["rho"]
        >= 0.6,
    }
    if "timm i7-12700H" in rows:
        bars[f"timm: MAPE of {JUDGED}"] = rows["timm i7-12700H"][JUDGED]["mape"] <= 10.0
    return {"rows": rows, "bars": bars, "passed": all(bars.values())}


def _tokens(architecture: str) -> list[str]:
    return [token for node in architecture.split("+") for token in node.strip("|").split("|")]


def _column(table: pd.DataFrame, device: str) -> str:
    return next(c for c in table.columns if device in c)


def _scores(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    return {
        "rho": float(spearmanr(predicted, true)[0]),
        "within_10": float(100 * np.mean(np.abs(predicted / true - 1) <= 0.1)),
    }


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {k: round(float(np.mean([f[k] for f in found])), 4) for k in found[0]}


def _compare(
    encoding: ChoiceEncoding, x: np.ndarray, y: np.ndarray, count: int, codes_work: np.ndarray | None = None
) -> dict[str, dict[str, float]]:
    """Ours and the baselines on the rows that are left, mean over draws of the training rows."""
    counts, places = encoding.counts(x), encoding.places(x)
    models: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "linear on operator counts": lambda t: LinearRegression().fit(counts[t], y[t]).predict(counts),
        "additive one-hot ridge": lambda t: Ridge(1.0).fit(places[t], y[t]).predict(places),
        "boosted trees": lambda t: _trees(places, y, t),
        "random forest": lambda t: (
            RandomForestRegressor(200, random_state=0).fit(places[t], y[t]).predict(places)
        ),
        "ours": lambda t: EncodedPredictor(encoding).fit(x[t], y[t]).predict(x)[0],
    }
    if codes_work is not None:
        work = codes_work[:, None]
        models["multiply-adds alone"] = lambda t: LinearRegression().fit(work[t], y[t]).predict(work)
    seeds = _SEEDS if count < 100 else 3
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*models, "ours, chosen")}
    for seed in range(seeds):
        train = np.random.default_rng(seed).choice(len(x), count, replace=False)
        rest = np.setdiff1d(np.arange(len(x)), train)
        for name, predict in models.items():
            found[name].append(_scores(predict(train)[rest], y[rest]))
        if count < 100:
            chosen = most_telling(encoding, x, count, seed)
            rest = np.setdiff1d(np.arange(len(x)), chosen)
            predicted = EncodedPredictor(encoding).fit(x[chosen], y[chosen]).predict(x)[0]
            found["ours, chosen"].append(_scores(predicted[rest], y[rest]))
    return {name: _mean(scores) for name, scores in found.items() if scores}


def _trees(places: np.ndarray, y: np.ndarray, train: np.ndarray) -> np.ndarray:
    leaf = 20 if len(train) > 100 else 2
    model = HistGradientBoostingRegressor(min_samples_leaf=leaf, random_state=0)
    return np.asarray(model.fit(places[train], y[train]).predict(places))


def _transferred(
    encoding: ChoiceEncoding, x: np.ndarray, y: np.ndarray, there: np.ndarray, count: int
) -> dict[str, dict[str, float]]:
    """With few rows of one device, and a thousand of another that are not asked for; all learn from the same
    rows and are told by the same others."""
    places = encoding.places(x)
    ridge, other = "additive one-hot ridge, alone", "the other device as it is"
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("ours", "ours, alone", other, ridge)}
    for seed in range(_SEEDS):
        order = np.random.default_rng(seed).permutation(len(x))
        train, known, rest = order[:count], order[: len(x) // 2], order[len(x) // 2 :]
        source = EncodedPredictor(encoding).fit(x[known[:1000]], there[known[:1000]])
        mean = source.predict(x)[0]
        ours = EncodedPredictor(encoding).fit(x[train], y[train], mean[train]).predict(x[rest], mean[rest])[0]
        alone = EncodedPredictor(encoding).fit(x[train], y[train]).predict(x[rest])[0]
        additive = Ridge(1.0).fit(places[train], y[train]).predict(places[rest])
        found["ours"].append(_scores(ours, y[rest]))
        found["ours, alone"].append(_scores(alone, y[rest]))
        found[other].append(_scores(mean[rest], y[rest]))
        found[ridge].append(_scores(additive, y[rest]))
    return {name: _mean(scores) for name, scores in found.items()}


def _timm(folder: Path, options: Namespace) -> dict[str, Any]:
    table = network_table(folder / "timm_i7_12700h.csv.gz", Path(options.listings))
    return table.scores()


if __name__ == "__main__":
    run(
        main,
        ("--tables", {"required": True, "help": "folder with the public tables"}),
        (
            "--listings",
            {"default": "timm-listings.jsonl", "help": "file that keeps listed kernels between runs"},
        ),
        ("--without-timm", {"action": "store_true", "help": "leave out the table of timm networks"}),
    )
