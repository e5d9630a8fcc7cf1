"""Options that name files mean the same in another working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwnas.core.errors import UsageError
from hwnas.jobs.paths import absolute


def test_relative_paths_become_absolute_and_names_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    for option, given, found in (
        ("data", "digits", "digits"),
        ("data", "folder:images", f"folder:{tmp_path}/images"),
        ("accuracy", "package.module:function", "package.module:function"),
        ("accuracy", "table:a.csv,architecture=a", f"table:{tmp_path}/a.csv,architecture=a"),
        ("space", "patterns@1x8x8-10", "patterns@1x8x8-10"),
        ("space", "mine.yaml@1x8x8-10", f"{tmp_path}/mine.yaml@1x8x8-10"),
        ("predictor", "fitted", f"{tmp_path}/fitted"),
        ("trials", 3, 3),
        ("predictor", None, None),
    ):
        assert absolute(option, given) == found
        assert absolute(option, found) == found


def test_no_path_is_not_the_working_directory() -> None:
    for option, given in (("data", "folder:"), ("accuracy", "table:,architecture=a,accuracy=b")):
        assert absolute(option, given) == given


def test_the_home_of_nobody_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"the path '~no-such-user/images' cannot be read") as caught:
        absolute("data", "folder:~no-such-user/images")
    assert "\n" not in str(caught.value)
