"""Errors say what is wrong and the way out."""

import copy
import pickle

import pytest

from hwnas.core import errors
from hwnas.core.errors import HwnasError, UnknownName, UsageError


def test_message_and_way_out_in_one_line():
    assert (
        str(UsageError("key depth is -1", "Give a positive depth")) == "key depth is -1. Give a positive depth"
    )
    assert str(UsageError("key depth is -1")) == "key depth is -1"


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (errors.UsageError, ValueError),
        (errors.UnknownName, LookupError),
        (errors.MissingDependency, ImportError),
        (errors.DatabaseError, RuntimeError),
        (errors.CellTimeout, errors.CellError),
    ],
)
def test_double_inheritance(error, base):
    assert issubclass(error, HwnasError)
    assert issubclass(error, base)


def test_unknown_names_list_close_ones_or_all():
    assert "Did you mean standard?" in str(UnknownName("pattern", "standrd", ["standard", "grouped"]))
    assert "Known: grouped, standard" in str(UnknownName("pattern", "zzz", ["standard", "grouped"]))
    assert str(UnknownName("campaign", "depth", ())) == "unknown campaign 'depth'. None is known yet"


@pytest.mark.parametrize(
    "error",
    [
        UsageError("key depth is -1", "Give a positive depth"),
        UnknownName("pattern", "standrd", ["standard", "grouped"]),
        UnknownName("pattern", "zzz", []),
    ],
)
def test_an_error_crosses_from_one_process_to_another(error):
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert (str(other), other.message, other.hint) == (str(error), error.message, error.hint)


def test_the_tree_in_the_docstring_is_the_tree():
    named = {
        n
        for n in vars(errors)
        if isinstance(getattr(errors, n), type) and issubclass(getattr(errors, n), HwnasError)
    }
    assert all(name in errors.__doc__ for name in named)
