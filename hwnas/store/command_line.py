"""A command line as it may be told to others: a database's password is not in it."""

from __future__ import annotations

from collections.abc import Sequence

from hwnas.store.location import resolve


def told_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command, the password of `--db` masked.

    Args:
        arguments: Behind the name of the program.

    Raises:
        UsageError: What `--db` names is not understood.
    """
    told, is_database = [], False
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if is_database:
            told.append(str(resolve(argument)))
        elif option == "--db" and equals:
            told.append(f"--db={resolve(value)}")
        else:
            told.append(argument)
        is_database = argument == "--db"
    return told
