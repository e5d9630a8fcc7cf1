"""For tests and doctests alike: they neither wait for a real campaign nor disturb one."""

import os
from collections.abc import Iterator

import pytest

from hwnas.core.errors import MissingDependency
from hwnas.nni_bridge.availability import check_nni

# Doctests import every module; these import NNI, which not every machine can have.
try:
    check_nni()
except MissingDependency:
    collect_ignore_glob = ["hwnas/nni_bridge/*"]

# Operators as small as those of tests take longer on several threads, and far longer where other processes want
# the processor as well. Arms that are asked for threads set their number themselves.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _own_measuring_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWNAS_LOCK", str(tmp_path_factory.mktemp("lock") / "measuring.lock"))
        yield
