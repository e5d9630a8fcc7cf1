"""For tests and doctests alike: they neither wait for a real campaign nor disturb one."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

# Doctests import every module; these import NNI, which not every machine can have.
collect_ignore_glob = [] if find_spec("nni") and find_spec("pytorch_lightning") else ["hwnas/nni_bridge/*"]


@pytest.fixture(scope="session", autouse=True)
def _own_measuring_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWNAS_LOCK", str(tmp_path_factory.mktemp("lock") / "measuring.lock"))
        yield
