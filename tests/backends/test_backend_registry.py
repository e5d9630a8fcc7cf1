"""Backends of third parties: what does not work is one line that names them."""

from __future__ import annotations

import pytest

from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.errors import UsageError

_CLASSES = """
class Broken:
    def __init__(self):
        raise RuntimeError("no runtime of acme here\\nand more")

class Fine:
    pass
"""


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("acme:npu:int8", "acme_runtime:Broken", "'acme:npu:int8' cannot be constructed: RuntimeError: no"),
        ("acme", "acme_runtime:Fine", "'acme' is not runtime:device:precision"),
    ],
)
def test_a_backend_that_cannot_be_made_or_has_an_odd_id(
    name: str, target: str, words: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_runtime.py").write_text(_CLASSES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(BACKENDS, "_builtin", {**BACKENDS._builtin, name: target})
    with pytest.raises(UsageError, match=words) as caught:
        backend(name)
    assert "\n" not in str(caught.value)
    assert "package that offers it" in caught.value.hint
