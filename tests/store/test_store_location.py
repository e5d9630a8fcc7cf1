from pathlib import Path

import pytest

from hwnas.core.errors import UsageError
from hwnas.store.location import resolve


def test_default_is_the_variable_and_else_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HWNAS_DB", "")
    assert resolve(None).path == tmp_path / "hwnas" / "latency.sqlite"
    monkeypatch.setenv("HWNAS_DB", str(tmp_path / "mine.sqlite"))
    assert resolve(None).path == tmp_path / "mine.sqlite"
    assert resolve(tmp_path / "given.sqlite").path == tmp_path / "given.sqlite"


def test_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert resolve("~/a b%20?#.sqlite").path == tmp_path / "a b%20?#.sqlite"
    assert resolve("./shipped").path == tmp_path / "shipped"
    assert resolve("sqlite:///sub/x.sqlite").path == tmp_path / "sub" / "x.sqlite"
    assert str(resolve("x.sqlite")) == str(tmp_path / "x.sqlite")


@pytest.mark.parametrize("text", ["sqlite://", "sqlite:///:memory:"])
def test_memory(text: str) -> None:
    assert (resolve(text).path, resolve(text).url) == (None, None)
    assert str(resolve(text)) == "sqlite://"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_postgresql_url_uses_psycopg_and_hides_the_password(scheme: str) -> None:
    location = resolve(f"{scheme}://me:secret@host:5433/lat?password=secret&options=-csearch_path%3Dx")
    assert location.path is None
    assert location.url is not None
    assert location.url.drivername == "postgresql+psycopg"
    assert location.url.password == "secret"
    assert location.url.query["options"] == "-csearch_path=x"
    assert str(location) == "postgresql://me:***@host:5433/lat"
    assert "secret" not in repr(location)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shipped", r"read only.*\./shipped"),
        ("", "not a file name"),
        ("a\0b", "not a file name"),
        ("mysql://me:secret@host/db", "'mysql'"),
        ("postgresql://me:secret@host:port/db", "cannot be read"),
        ("://me:secret@host", "cannot be read"),
        ("~nobody-of-that-name/x.sqlite", "nobody-of-that-name"),
    ],
)
def test_what_is_not_understood(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        resolve(text)
    assert "secret" not in str(caught.value)
