"""Which of fifty timm networks are fast on this host? Predicted, without running any.

hwnas measure width && hwnas fit        # once: a predictor of this host
python examples/rank_networks.py
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from hwnas import HwnasError, LatencyPredictor, host_predictor
from hwnas.host.machine import probe_environment
from hwnas.predicting.prediction import Prediction
from hwnas.workloads.models import parse_model

NETWORKS = """
resnet10t resnet14t resnet18 resnet18d resnet26 resnet34 resnet50 seresnet50 ecaresnet26t skresnet18
resnext50_32x4d wide_resnet50_2 vgg11 densenet121 dla34 lcnet_075 gernet_s vovnet39a ese_vovnet19b_dw
repvgg_a1 repvgg_a0 repvgg_b0 convnext_atto starnet_s1 regnetx_002 regnetx_004 regnetx_008 regnety_002
regnety_004 regnety_008 mobilenetv1_100 mobilenetv2_050 mobilenetv2_100 mobilenetv3_small_075
mobilenetv3_small_100 mobilenetv3_large_100 mobilenetv4_conv_small mnasnet_small mnasnet_100 semnasnet_100
spnasnet_100 mobilenetv3_small_050 efficientnet_b0 efficientnet_lite0 tinynet_e tinynet_c ghostnet_100
lcnet_050 lcnet_100 mobilenetv4_conv_small_050
"""


def rank(
    predictor: LatencyPredictor,
    names: Sequence[str],
    processes: int = 1,
    told: Callable[[str], None] = lambda text: None,
) -> list[tuple[str, Prediction | str]]:
    """Names with their predictions, the fastest first; those that cannot be predicted last, with the reason."""
    found: list[tuple[str, Prediction | str]] = []
    workloads = {}
    for name in names:
        try:
            workloads[name] = parse_model(f"timm:{name}")
        except HwnasError as error:
            found.append((name, str(error)))
    # Most of the time goes into converting networks, which needs one processor each.
    predictor.list_many(workloads.values(), processes=processes, told=told)
    for name, workload in workloads.items():
        try:
            found.append((name, predictor.predict(workload)))
        except HwnasError as error:
            found.append((name, str(error)))
    return sorted(found, key=lambda one: one[1].latency_s if isinstance(one[1], Prediction) else float("inf"))


def main() -> None:
    """Print the ranking."""
    here = probe_environment()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="openvino:cpu:fp32", help="where there is no --predictor")
    parser.add_argument("--predictor", help="folder of a predictor; by default this host's, else a shipped one")
    parser.add_argument("--processes", type=int, default=min(4, here.logical_cpus), help="that list networks")
    options = parser.parse_args()
    if options.predictor:
        predictor = LatencyPredictor.load(options.predictor, any_host=True)
    else:
        predictor = host_predictor(options.backend)
    if predictor.elsewhere:
        print(f"These are latencies of another host: the predictor was {predictor.elsewhere}")
    start = time.monotonic()

    def told(text: str) -> None:
        print(f"{time.monotonic() - start:4.0f} s  {text}", file=sys.stderr, flush=True)

    for place, (name, found) in enumerate(rank(predictor, NETWORKS.split(), options.processes, told), 1):
        if isinstance(found, str):
            print(f" -  {name:24} {found}")
        else:
            interval = f"{1e3 * found.low_s:7.2f} to {1e3 * found.high_s:7.2f}"
            far = "" if found.in_range else "  out of range"
            print(f"{place:2}  {name:24} {1e3 * found.latency_s:8.2f} ms  {interval}{far}")


if __name__ == "__main__":
    try:
        main()
    except HwnasError as error:
        raise SystemExit(str(error)) from None
