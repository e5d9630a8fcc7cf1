"""Contract suites that third parties subclass to test their own backends, databases, spaces and evaluators.

With pytest installed, a suite that fails shows the values that it compared, as any test file does.
"""

from contextlib import suppress

_SUITES = ("accuracy_contract", "backend_contract", "space_contract", "store_contract")

with suppress(ImportError):
    import pytest

    pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in _SUITES))
