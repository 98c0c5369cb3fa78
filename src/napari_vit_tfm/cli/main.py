"""The command group ``vit-tfm``, and its error messages."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

import click

from napari_vit_tfm import __version__
from napari_vit_tfm.cli.process import (
    flush_streams,
    open_streams,
    terminated_by_signal,
)
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.errors import TFMError, out_of_memory

COMMANDS = (
    "predict",
    "rerun",
    "figure",
    "quantities",
    "limits",
    "batch",
    "attention",
    "info",
    "demo",
    "synthesize",
    "train",
    "benchmark",
)
"""Names of the subcommands and of their modules."""

ERROR_STATUS = 2
INTERRUPTED_STATUS = 130


class CommandLine(click.Group):
    """Group whose subcommands are imported when needed, with errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all subcommands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand; None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"napari_vit_tfm.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand, and convert every error to a message."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            # The output was closed, for example by `| head`: click exits silently.
            raise
        except Exception as error:
            if ctx.params["traceback"]:
                raise
            raise click.ClickException(_message(error)) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run as a program: an error is one line, and the exit status is 2."""
        run: Callable[[], Any] = partial(
            super().main, args, prog_name, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        open_streams()
        _escape_unknown_characters()
        with terminated_by_signal():
            status = _status_of(run)
        failed = flush_streams()
        if failed is not None and status == 0:
            _show_error(f"standard output: {failed.strerror}")
            status = ERROR_STATUS
        sys.exit(status)


def _status_of(run: Callable[[], Any]) -> int:
    """Run a command, and show its error; the exit status."""
    try:
        status = run()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ERROR_STATUS
    except click.ClickException as error:
        _show_error(error.format_message())
        return ERROR_STATUS
    except click.Abort:
        return INTERRUPTED_STATUS
    return status if isinstance(status, int) else 0


def _show_error(message: str) -> None:
    # There may be no way to say it.
    with suppress(OSError):
        echo(f"Error: {' '.join(message.split())}", err=True)


def _escape_unknown_characters() -> None:
    r"""Let names be printed as ``\u7ec6`` where the output's encoding lacks them.

    On Windows, output to a file is in a code page of 256 characters.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _message(error: Exception) -> str:
    if isinstance(error, TFMError):
        return str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        about = "" if error.filename is None else f"{error.filename}: "
        return f"{about}{error.strerror}"
    if out_of_memory(error):
        return out_of_memory(error)
    # An unexpected error is a bug, and a bug report needs the traceback.
    return (
        f"unexpected {type(error).__name__}: {error} "
        "(vit-tfm --traceback COMMAND ... shows the traceback)"
    )


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vit-tfm")
@click.option(
    "--traceback", is_flag=True, help="Show the traceback of an error, to report a bug."
)
def main(*, traceback: bool) -> None:
    """Traction force microscopy with a Vision Transformer.

    Computes tractions and attention from displacement files.
    """
