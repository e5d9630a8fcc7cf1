"""Searches that are killed, and go on."""

import subprocess
import sys
import time
from pathlib import Path

import optuna
from searching_lab import Known, small_space

from hwnas.searching.codes import Codes
from hwnas.searching.run import run_search
from hwnas.searching.trial import TrialState

SCRIPT = """
import sys, time
sys.path.insert(0, {lab!r})
from pathlib import Path
from searching_lab import Known, small_space
from hwnas.searching.run import run_search

class Endless(Known):
    def evaluate(self, workload, **_):
        found = super().evaluate(workload)
        if len(self.asked) == 5:
            Path("begun.txt").touch()
            time.sleep(600)
        return found

space = small_space(Path("."))
run_search(space, Endless(space), sampler="hwnas", trials=1000, storage="a.db", study="s", resume=True)
"""


def states(folder):
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{folder / 'a.db'}")
    return {t.number: (t.state.name, t.user_attrs.get("architecture")) for t in study.get_trials()}


def test_no_finished_trial_is_lost(tmp_path, monkeypatch):
    """The kill comes during the fifth evaluation, however fast the machine is."""
    script = SCRIPT.format(lab=str(Path(__file__).parent))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    try:
        deadline = time.monotonic() + 300
        while not (tmp_path / "begun.txt").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    before = states(tmp_path)
    finished = {n: text for n, (state, text) in before.items() if state == "COMPLETE"}
    running = {n: text for n, (state, text) in before.items() if state == "RUNNING"}
    assert len(finished) == 4
    assert len(running) == 1

    monkeypatch.chdir(tmp_path)
    space = small_space(Path())
    evaluator = Known(space)
    result = run_search(space, evaluator, trials=len(finished) + 2, storage="a.db", study="s", resume=True)
    after = {trial.number: trial for trial in result.trials}
    assert result.evaluations == len(finished) + 2
    assert all(after[number].text == text and after[number].accuracy for number, text in finished.items())
    # Nothing that was finished is evaluated again; what was under way is, first of all.
    assert not set(evaluator.asked) & set(finished.values())
    assert not [trial for trial in result.trials if trial.state is TrialState.RUNNING]
    (left,) = running.values()
    assert evaluator.asked[0] == left


def test_a_network_that_waited_is_not_lost(tmp_path):
    """Its trial is killed after it has left the queue, and before it has its parameters."""
    space, keep = small_space(tmp_path), str(tmp_path / "a.db")
    options = {"sampler": "random", "storage": keep, "study": "s", "resume": True}
    (first,) = run_search(space, Known(space), trials=1, **options).trials
    codes = Codes(space)
    waiting = next(a for a in map(codes.decode, codes.everything) if space.compact(a) != first.text)
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{keep}")
    study.enqueue_trial(waiting)
    assert study.ask().params == {}
    evaluator = Known(space)
    result = run_search(space, evaluator, trials=2, **options)
    assert evaluator.asked == [space.compact(waiting)]
    assert [trial.text for trial in result.complete] == [first.text, space.compact(waiting)]
