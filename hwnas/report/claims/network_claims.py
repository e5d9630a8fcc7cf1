"""What the study says of twelve real networks (section 2.3, figure 5); DARTS has a file of its own."""

from __future__ import annotations

import numpy as np

from hwnas.report.claims.bounds import NEAR, SIMILAR, WELL, above, near
from hwnas.report.claims.combining import combine, pearson_of_rows, ratio, spread
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, Finding, Part, Unit, judged
from hwnas.report.claims.studied import NATIVE, STUDIED_PATTERNS
from hwnas.workloads.catalogue import find_network

_FIGURE = "section 2.3, figure 5"
_MOBILENET = "mobilenet_v2"
#: The networks of figure 5 as the zoo names them; 'Optimized DARTS' is DARTS with oneDNN forced.
NETWORKS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    _MOBILENET,
    "inception_v3",
    "nasnet_a_large",
    "darts",
)


def _pattern_of(network: str) -> str:
    """The pattern under which the study files a network; another word where it is none of the six alone."""
    return find_network(network).group.removesuffix(" convolution").replace(" ", "_")


#: Networks whose gain the study lays to one pattern. DARTS is not among them: its dilated convolutions have a
#: part in it. Nor are those of several patterns, or of none.
_OF_ONE_PATTERN = {n: p for n in NETWORKS if (p := _pattern_of(n)) in STUDIED_PATTERNS and n != "darts"}


def _all_twice(evidence: Evidence) -> Finding:
    found = evidence.networks(NETWORKS)
    parts = [Part(n, v, above(2.0), Unit.TIMES) for n, v in found.speedups(NATIVE).items()]
    worst = min(parts, key=lambda part: part.value.value)
    return judged(parts, found.note(), here=f"least for {worst.name}: {worst.text}")


def _vary(evidence: Evidence) -> Finding:
    found = evidence.networks(NETWORKS)
    speedups = found.speedups(NATIVE)
    part = Part("most over least", spread([[v] for v in speedups.values()]), above(SIMILAR), Unit.TIMES)
    least, *_, most = sorted(speedups, key=lambda n: speedups[n].value)
    here = f"{part.text}; {most} {speedups[most].text('x')}, {least} {speedups[least].text('x')}"
    return judged([part], found.note(), here=here)


def _follow_patterns(evidence: Evidence) -> Finding:
    found, sweep = evidence.networks(list(_OF_ONE_PATTERN)), evidence.depth
    patterns = list(dict.fromkeys(_OF_ONE_PATTERN.values()))
    lines = [v for p in patterns for v in sweep.speedups(p)]
    networks = found.speedups(NATIVE)
    places = [patterns.index(_OF_ONE_PATTERN[n]) for n in networks]

    def statistic(logs: np.ndarray) -> np.ndarray:
        means = logs[..., : len(lines)].reshape(len(logs), len(patterns), -1).mean(axis=-1)
        return pearson_of_rows(means[:, places], logs[..., len(lines) :])

    value = combine([*lines, *networks.values()], statistic, log=False)
    note = f"networks: {found.note()}; patterns: {sweep.note()}"
    return judged(
        [Part("Pearson's r", value, above(WELL))], note, here=f"{value.text()} over {len(networks)} networks"
    )


def _mobilenet_fastest(evidence: Evidence) -> Finding:
    found = evidence.networks(NETWORKS)
    times = found.latencies()
    own = times.pop(_MOBILENET)
    parts = [Part(f"{n} over {_MOBILENET}", ratio(v, own), above(1.0), Unit.TIMES) for n, v in times.items()]
    rival = min(times, key=lambda n: times[n].value)
    here = "; ".join(f"{n} {v.scaled(1e3).text(' ms')}" for n, v in ((_MOBILENET, own), (rival, times[rival])))
    return judged(parts, found.note(), here=here)


def _mobilenet_time(evidence: Evidence) -> Finding:
    found = evidence.networks([_MOBILENET])
    return judged([Part(_MOBILENET, found.latencies()[_MOBILENET], near(2.4e-3), Unit.SECONDS)], found.note())


def _mobilenet_speedup(evidence: Evidence) -> Finding:
    found = evidence.networks([_MOBILENET])
    return judged([Part(_MOBILENET, found.speedups(NATIVE)[_MOBILENET], near(7.0), Unit.TIMES)], found.note())


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
        "gain-varies-by-network",
        "The gain varies greatly depending on the network's architecture.",
        "sections 2.3 and 3",
        "greatly",
        f"The largest speedup of a network is above {SIMILAR:g} times the smallest.",
        _vary,
    ),
    Claim(
        "gain-follows-pattern",
        "The gain of a network correlates well with that of the design pattern which it is built of.",
        "sections 2.3 and 3",
        "well",
        "Pearson's r of the logarithms of networks' speedups and of their pattern's, mean over depth at the "
        f"smallest batch, lies above {WELL}. Patterns as section 2.3 groups the networks; without those of "
        "several patterns, NASNet, and DARTS, whose gain it lays to dilated convolutions too.",
        _follow_patterns,
    ),
    Claim(
        "mobilenet-fastest",
        "MobileNetV2 has the lowest accelerated inference time.",
        "abstract; figure 5",
        "the fastest",
        "The latency of every other network over its own lies above 1.",
        _mobilenet_fastest,
    ),
    Claim(
        "mobilenet-2.4-ms",
        "Accelerated MobileNetV2 takes about 2.4 ms.",
        "abstract; figure 5",
        "2.4 ms",
        f"Its latency is within a factor of {NEAR} of 2.4 ms with the whole interval.",
        _mobilenet_time,
    ),
    Claim(
        "mobilenet-700",
        "MobileNetV2 gets about 700 % as fast.",
        _FIGURE,
        "7x",
        f"Its speedup is within a factor of {NEAR} of 7 with the whole interval.",
        _mobilenet_speedup,
    ),
)
