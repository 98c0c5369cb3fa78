"""The group of all commands, and how errors reach the user."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import click

from napari_vit_tfm import __version__
from napari_vit_tfm.errors import TFMError

COMMANDS = ("predict", "attention", "info", "demo", "synthesize", "train", "benchmark")
"""Names of the commands, each the name of its module."""

ERROR_STATUS = 2
INTERRUPTED_STATUS = 130


class CommandLine(click.Group):
    """Commands that are imported when they are asked for; errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"napari_vit_tfm.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for; every error becomes a message."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            # Nobody reads on, as behind `| head`: click ends quietly.
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
        """Run as a program: whatever is wrong is one line and exit status 2."""
        run: Callable[[], Any] = partial(
            super().main, args, prog_name, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        try:
            status = run()
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(ERROR_STATUS)
        except click.ClickException as error:
            line = " ".join(error.format_message().split())
            click.echo(f"Error: {line}", err=True)
            sys.exit(ERROR_STATUS)
        except click.Abort:
            sys.exit(INTERRUPTED_STATUS)
        sys.exit(status if isinstance(status, int) else 0)


def _message(error: Exception) -> str:
    if isinstance(error, TFMError):
        return str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        about = "" if error.filename is None else f"{error.filename}: "
        return f"{about}{error.strerror}"
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    # Nobody thought of it, so whoever reports it needs to see where it was.
    return (
        f"unexpected {type(error).__name__}: {error} "
        "(vit-tfm --traceback COMMAND ... shows where)"
    )


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vit-tfm")
@click.option(
    "--traceback", is_flag=True, help="Show the whole traceback of an error, for bugs."
)
def main(*, traceback: bool) -> None:
    """Traction force microscopy with a Vision Transformer.

    Displacement files in, tractions and attention out.
    """
