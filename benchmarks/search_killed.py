"""Is a finished trial lost when `hwnas search` is killed by kill -9 at random moments, and does it go on?"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import optuna
from reporting import run

#: A search of some minutes, in all its phases.
TRIALS = 40
OPTIONS = (
    f"--max-latency 1s --trials {TRIALS} --epochs 3 --no-prune --measurements 6 --finalists 2 --final-seeds 2"
)


def main(options: Namespace) -> dict[str, Any]:
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lost, kills = 0, []
        known: dict[int, float] = {}
        for number in range(options.kills):
            process = _started(folder)
            # The first one comes when the latency table is made, which takes most of a minute.
            between = options.first if number == 0 else options.between
            time.sleep(rng.uniform(*map(float, between.split(","))))
            running = process.poll() is None
            if running:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            after = _finished(folder)
            lost += sum(after.get(number) != accuracy for number, accuracy in known.items())
            known = after
            kills.append({"was_running": running, "finished_trials": len(known)})
            print(kills[-1], flush=True)
        code = _started(folder).wait()
        after = _finished(folder)
        lost += sum(after.get(number) != accuracy for number, accuracy in known.items())
        record = json.loads((folder / "out" / "result.json").read_text())
    trained = [
        t for t in record["search"]["trials"] if t["state"] in ("COMPLETE", "PRUNED") and t["repeats"] is None
    ]
    return {
        "kills": kills,
        "killed_while_running": sum(kill["was_running"] for kill in kills),
        "finished_trials_lost": lost,
        "evaluations": record["search"]["evaluations"],
        "networks_trained_twice": len(trained) - len({t["text"] for t in trained}),
        "exit_code": code,
        "verdict": record["verdict"],
        "passed": lost == 0 and code == 0 and record["search"]["evaluations"] == TRIALS,
    }


def _started(folder: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "hwnas",
        "search",
        "--out",
        str(folder / "out"),
        "--db",
        str(folder / "db.sqlite"),
    ]
    begun = (folder / "out" / "search.json").exists()
    return subprocess.Popen(
        [*command, *(["--resume"] if begun else OPTIONS.split())],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _finished(folder: Path) -> dict[int, float]:
    """Number -> accuracy of every trial that was evaluated to its end."""
    database = folder / "db.sqlite"
    if not database.exists():
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{database}"
    names = [s.study_name for s in optuna.get_all_study_summaries(storage)]
    if not names:
        return {}
    trials = optuna.load_study(study_name=names[0], storage=storage).trials
    return {t.number: t.values[0] for t in trials if t.state.name == "COMPLETE"}


if __name__ == "__main__":
    run(
        main,
        ("--kills", {"type": int, "default": 10}),
        ("--seed", {"type": int, "default": 0}),
        ("--first", {"default": "60,80", "help": "seconds from the start to the first kill: from, to"}),
        ("--between", {"default": "8,30", "help": "and to the others"}),
    )
