"""The log of a search: kept as it comes, read after a kill, and refused where it is of another search."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwnas.core.errors import UsageError
from hwnas.nni_bridge.trials import Trial, TrialLog

ABOUT = {"space": "abc", "seed": 1, "settings": {"mutation_prob": 1 / 3}}
TRIALS = (Trial(0, {"width": 8}, 0.5, "", 3, 1, 0.25), Trial(1, {"width": 16}, None, "no memory"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "deeper" / "trials.jsonl"
    log = TrialLog(path, ABOUT)
    for trial in TRIALS:
        log.add(trial)
    log.close()
    return path


def test_trials_are_read_as_they_were_written(path: Path) -> None:
    log = TrialLog(path, ABOUT)
    log.close()
    assert log.recorded == TRIALS


def test_a_line_that_a_kill_has_left_unfinished_is_cut_off(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"number": 2, "archi')
    log = TrialLog(path, ABOUT)
    assert log.recorded == TRIALS
    log.add(Trial(2, {"width": 8}, 0.75))
    log.close()
    again = TrialLog(path, ABOUT)
    again.close()
    assert [trial.accuracy for trial in again.recorded] == [0.5, None, 0.75]


def test_a_head_that_a_kill_has_left_unfinished_is_written_anew(path: Path) -> None:
    head = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(head[:20])
    TrialLog(path, ABOUT).close()
    assert path.read_bytes() == head


def test_a_log_of_another_search_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match=r"the log of another search: seed differs"):
        TrialLog(path, {**ABOUT, "seed": 2})


@pytest.mark.parametrize(
    "text",
    ["not json\n", "{}\n{}\n", "[]\n", '{"schema": 99}\n', '{"accuracy": 0.9}', "a note\nand no end"],
)
def test_other_files_are_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"is no log of trials|is the log of another search"):
        TrialLog(path, ABOUT)
    assert path.read_text() == text


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot use the log"):
        TrialLog(tmp_path, ABOUT)


def test_without_a_file_nothing_is_recorded() -> None:
    log = TrialLog(None, ABOUT)
    log.add(TRIALS[0])
    log.close()
    assert log.recorded == ()
