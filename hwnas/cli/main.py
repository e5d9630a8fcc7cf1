"""The `hwnas` command: a table of commands, each imported only when it runs."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from hwnas.core.errors import HwnasError

#: Command -> module and attribute. The one-line help stands here so that `hwnas --help`
#: imports none of them.
COMMANDS = {
    "devices": ("hwnas.cli.devices:devices", "Show what this host can measure with, and how quiet it is."),
    "zoo": ("hwnas.cli.zoo:zoo", "List the networks of the study, by the names that zoo:NAME takes."),
    "space": ("hwnas.cli.space:space", "Show search spaces, count and draw their architectures."),
    "measure": ("hwnas.cli.measure:measure", "Measure an experiment or a model; by default the quick study."),
    "report": ("hwnas.cli.report:report", "Show latencies, speedups and verdicts; draw the figures."),
    "claims": ("hwnas.cli.claims:claims", "Test every claim of the study on what was measured."),
    "fit": ("hwnas.cli.fit:fit", "Learn a latency predictor from what was measured."),
    "predict": ("hwnas.cli.predict:predict", "Predict the latency of a model without running it."),
    "search": ("hwnas.cli.search:search", "Find the most accurate network under a latency limit."),
    "export": ("hwnas.cli.export:export", "Write a trained network as ONNX, OpenVINO IR, weights and Python."),
    "db": ("hwnas.cli.db:db", "Look into, export, import and merge latency databases."),
}


#: A disk that is full, and a share of one.
_FULL = (errno.ENOSPC, errno.EDQUOT)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command table without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 112})
@click.version_option(package_name="hwnas")
def cli() -> None:
    """Hardware-aware neural architecture search: measure networks on your own machine.

    A bare `hwnas measure` runs the quick study on PyTorch and OpenVINO.
    """


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: folders go, and the way to resume is printed."""


def _terminate(number: int, frame: FrameType | None) -> None:
    # Some senders signal the process and its group; the second signal must not disturb the end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Terminated


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refuse_windows() -> None:
    """Locks on files, signals and what is read of other processes are POSIX's here.

    Raises:
        HwnasError: This is Windows.
    """
    if sys.platform == "win32":
        raise HwnasError("hwnas does not run on Windows", "Use Linux, or the Windows Subsystem for Linux")


def _fill_closed_streams() -> None:
    """Python has None in place of an output that was closed before it began, as by ``>&-``."""
    if sys.stdout is None or sys.stderr is None:
        # For good, and the first to be opened: another file in its place would get what libraries print.
        nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", errors="replace")
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere


def _drop_output() -> None:
    """Nobody takes what is still in the buffer: Python would end with an error of its own over it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Entry point: errors become one line and exit code 2, Ctrl-C exit code 130, SIGTERM 143."""
    _fill_closed_streams()
    try:
        _refuse_windows()
        with _sigterm_like_ctrl_c():
            cli(standalone_mode=False)
            # Python itself would end with an error where nobody reads any more what is still in the buffer.
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except HwnasError as error:
        click.echo(f"hwnas: {error}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo("hwnas: stopped", err=True)
        # click turns an interrupt into Abort and keeps it as the cause.
        terminated = isinstance(error.__cause__ or error, _Terminated)
        sys.exit(128 + (signal.SIGTERM if terminated else signal.SIGINT))
    except BrokenPipeError:
        # The reader (such as `head`) went away; nothing is left to say to it.
        _drop_output()
        sys.exit(0)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        where = error.filename or "what the output goes to"
        click.echo(f"hwnas: no room is left for {where} ({error.strerror}). Free some space", err=True)
        sys.exit(2)
