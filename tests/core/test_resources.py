"""Data folders are found from a checkout and from a wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hwnas
from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.resources import data_folder, find_data_file, is_file

ROOT = Path(hwnas.__file__).parent.parent
FOLDERS = ("experiments", "search_spaces", "latency_db")


@pytest.mark.parametrize("name", FOLDERS)
def test_from_this_installation(name):
    assert any(data_folder(name).iterdir())


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="hwnas is installed without its checkout")
def test_from_a_wheel(tmp_path):
    for tool in ("build", "hatchling"):
        pytest.importorskip(tool, reason=f"{tool} builds the wheel; pip install 'hwnas[dev]'")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import hwnas\n"
        "from hwnas.core.resources import data_folder, find_data_file\n"
        f"assert hwnas.__file__.startswith({str(site)!r}), hwnas.__file__\n"
        f"for name in {FOLDERS!r}:\n"
        f"    assert str(data_folder(name)).startswith({str(site)!r}), data_folder(name)\n"
        "print(find_data_file('experiments', 'quick', '.yaml'))\n"
        "print(find_data_file('search_spaces', 'patterns', '.yaml'))\n"
        "from jinja2 import PackageLoader\n"
        "templates = PackageLoader('hwnas.report.html').list_templates()\n"
        "assert {'page.html', 'page.css', 'claims.html'} <= set(templates), templates\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert "quick.yaml" in found.stdout
    assert "patterns.yaml" in found.stdout


def test_a_users_own_file_wins_and_a_misspelt_name_lists_close_ones(tmp_path):
    own = tmp_path / "mine.yaml"
    own.write_text("title: mine")
    assert find_data_file("experiments", str(own), ".yaml") == own
    with pytest.raises(UnknownName, match="quick"):
        find_data_file("experiments", "quik", ".yaml")


def test_a_path_that_cannot_be_looked_at_is_told_from_a_missing_file(tmp_path):
    assert is_file(Path(__file__))
    assert not is_file(tmp_path)
    assert not is_file(tmp_path / "nothing")
    assert not is_file(Path(__file__) / "below a file")
    for odd in ("a" * 5000, "nul\0"):
        with pytest.raises(UsageError, match=r"cannot look at|is not a path"):
            is_file(Path(odd))


def test_a_folder_that_may_not_be_entered_is_named(tmp_path, monkeypatch):
    def refused(path, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(UsageError, match=r"secret/x\.yaml: Permission denied"):
        find_data_file("experiments", "secret/x.yaml", ".yaml")
