"""What the study says of twelve real networks (section 2.3, figure 5)."""

from __future__ import annotations

from hwnas.report.cells import Cell
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import NEAR, Claim, Finding, above, all_hold, near
from hwnas.report.claims.studied import FORCED, NATIVE, PAPER_ERA
from hwnas.report.claims.values import Value, latency, ratio, speedup

_FIGURE = "section 2.3, figure 5"
#: The networks of figure 5 as the zoo names them; 'Optimized DARTS' is DARTS with oneDNN forced.
NETWORKS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "mobilenet_v2",
    "inception_v3",
    "nasnet_a_large",
    "darts",
)


def _accelerated(evidence: Evidence) -> dict[str, Cell]:
    return evidence.networks(NETWORKS)


def _one(evidence: Evidence, name: str, baseline: str = NATIVE) -> Cell:
    return evidence.networks([name], baseline)[name]


def _condition(cell: Cell) -> str:
    return f"batch 1, {cell.threads} thread{'s' if cell.threads > 1 else ''}"


def _all_twice(evidence: Evidence) -> Finding:
    found = _accelerated(evidence)
    name, least = min(((n, speedup(c)) for n, c in found.items()), key=lambda item: item[1].value)
    verdict = all_hold([above(speedup(c), 2.0) for c in found.values()])
    return Finding(verdict, least, f"least for {name}: {least.text('x')}", _condition(found[name]))


def _extreme(found: dict[str, Value], name: str) -> tuple[Value, str, Value]:
    """The first of a network and its closest rival, as a ratio with its interval."""
    rival, value = max(((n, v) for n, v in found.items() if n != name), key=lambda item: item[1].value)
    return ratio(found[name], value), rival, value


def _mobilenet_fastest(evidence: Evidence) -> Finding:
    cells = _accelerated(evidence)
    rate = {n: ratio(Value.exact(1.0), latency(c)) for n, c in cells.items()}
    margin, rival, _ = _extreme(rate, "mobilenet_v2")
    times = {n: latency(cells[n]) for n in ("mobilenet_v2", rival)}
    here = "; ".join(f"{n} {_ms(v)}" for n, v in times.items())
    return Finding(above(margin, 1.0), margin, here, _condition(cells[rival]))


def _ms(value: Value) -> str:
    return Value(value.value * 1e3, value.low * 1e3, value.high * 1e3).text(" ms")


def _mobilenet_time(evidence: Evidence) -> Finding:
    cell = _one(evidence, "mobilenet_v2")
    found = latency(cell)
    return Finding(near(found, 2.4e-3), found, _ms(found), _condition(cell))


def _mobilenet_speedup(evidence: Evidence) -> Finding:
    cell = _one(evidence, "mobilenet_v2")
    found = speedup(cell)
    return Finding(near(found, 7.0), found, found.text("x"), _condition(cell))


def _darts_most(evidence: Evidence) -> Finding:
    cells = _accelerated(evidence)
    margin, rival, value = _extreme({n: speedup(c) for n, c in cells.items()}, "darts")
    here = f"darts {speedup(cells['darts']).text('x')}; {rival} {value.text('x')}"
    return Finding(above(margin, 1.0), margin, here, _condition(cells[rival]))


def _darts_number(evidence: Evidence) -> Finding:
    cell = _one(evidence, "darts")
    found = speedup(cell)
    return Finding(near(found, 12.0), found, found.text("x"), _condition(cell))


def _darts_then(evidence: Evidence) -> Finding:
    cell = _one(evidence, "darts", PAPER_ERA)
    found = speedup(cell)
    return Finding(near(found, 12.0), found, found.text("x"), f"{_condition(cell)}, against {PAPER_ERA}")


def _darts_forced(evidence: Evidence) -> Finding:
    cell = _one(evidence, "darts", FORCED)
    found = speedup(cell)
    return Finding(near(found, 5.0), found, found.text("x"), f"{_condition(cell)}, against {FORCED}")


def _within(paper: str) -> str:
    return f"is within a factor of {NEAR} of {paper} with the whole interval."


NETWORK_CLAIMS = (
    Claim(
        "networks-at-least-twice",
        "Every network gets at least 200 to 300 % as fast.",
        _FIGURE,
        "at least 2x",
        "The speedup of every network lies above 2.",
        _all_twice,
    ),
    Claim(
        "mobilenet-fastest",
        "MobileNetV2 has the lowest accelerated inference time.",
        "abstract; figure 5",
        "the fastest",
        "The latency of the next fastest network over its own lies above 1.",
        _mobilenet_fastest,
    ),
    Claim(
        "mobilenet-2.4-ms",
        "Accelerated MobileNetV2 takes about 2.4 ms.",
        "abstract; figure 5",
        "2.4 ms",
        f"Its latency {_within('2.4 ms')}",
        _mobilenet_time,
    ),
    Claim(
        "mobilenet-700",
        "MobileNetV2 gets about 700 % as fast.",
        _FIGURE,
        "7x",
        f"Its speedup {_within('7')}",
        _mobilenet_speedup,
    ),
    Claim(
        "darts-most",
        "The network that DARTS found gains the most.",
        "abstract; figure 5",
        "the most",
        "Its speedup over that of the next network lies above 1.",
        _darts_most,
    ),
    Claim(
        "darts-1200",
        "The network that DARTS found gets about 1200 % as fast.",
        "abstract; figure 5",
        "12x",
        f"Its speedup {_within('12')}",
        _darts_number,
    ),
    Claim(
        "darts-1200-paper-era",
        "The same where PyTorch computes dilated convolutions without oneDNN, as it did for the study.",
        "section 2.3",
        "12x",
        f"Its speedup over {PAPER_ERA} {_within('12')}",
        _darts_then,
    ),
    Claim(
        "darts-500-onednn",
        "With oneDNN forced for every operation it supports the gain is about 500 %.",
        "section 2.3",
        "5x",
        f"Its speedup over {FORCED} {_within('5')}",
        _darts_forced,
    ),
)
