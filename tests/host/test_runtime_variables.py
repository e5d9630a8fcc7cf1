"""Variables that steer a runtime, as they are stored with measurements."""

from __future__ import annotations

import pytest

from hwnas.host.runtime_variables import runtime_variables, without_folders


def test_what_steers_a_runtime_is_known_by_its_name() -> None:
    environ = {"OMP_PROC_BIND": "close", "HOME": "/home/me", "ONEDNN_MAX_CPU_ISA": "AVX2", "COMP_X": "1"}
    assert runtime_variables(environ) == {"OMP_PROC_BIND": "close", "ONEDNN_MAX_CPU_ISA": "AVX2"}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("/home/somebody/.cache/torch", "torch"),
        ("/home/somebody/lib/libjemalloc.so.2:libm.so /opt/x.so", "libjemalloc.so.2:libm.so x.so"),
        ("granularity=fine,compact,1,0", "granularity=fine,compact,1,0"),
        ("{0:4},{4:4}", "{0:4},{4:4}"),
    ],
)
def test_folders_which_tell_of_their_owner_are_left_out(value: str, stored: str) -> None:
    """Measurements are there to be published."""
    assert without_folders({"LD_PRELOAD": value}) == {"LD_PRELOAD": stored}
