"""`Outputs`: the files that a command writes, checked before it computes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import click

from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.io import Maker, check_writable
from napari_vit_tfm.io.replacing import create_folder

overwrite_option = click.option(
    "--overwrite",
    is_flag=True,
    help="Also replace existing files that do not say that this command has written "
    "them from the same input. Files that the command reads are never replaced.",
)


@dataclass(frozen=True)
class Outputs:
    """The files that a command writes.

    Parameters
    ----------
    maker : Maker
        The command, and the data that it computes from.
    overwrite : bool
        Whether existing files of others are replaced.
    others : tuple of Path
        Further files that it reads, such as masks, models and configurations.
    """

    maker: Maker
    overwrite: bool
    others: tuple[Path, ...] = ()
    _paths: list[Path] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        command: str,
        *,
        overwrite: bool,
        inputs: Iterable[Path] = (),
        others: Iterable[str | Path | None] = (),
    ) -> Outputs:
        """The outputs of a subcommand.

        Parameters
        ----------
        command : str
            Name of the subcommand.
        overwrite : bool, keyword-only
            Whether existing files of others are replaced.
        inputs : iterable of Path, keyword-only
            The data that it computes from.
        others : iterable of path or None, keyword-only
            Further files that it reads. The name of a method is no file.
        """
        read = tuple(Path(path) for path in others if path is not None)
        return cls(Maker(f"vit-tfm {command}", tuple(inputs)), overwrite, read)

    def add(
        self,
        *paths: Path | None,
        is_own: bool | None = None,
    ) -> None:
        """Check files, and remember that they will be written.

        Parameters
        ----------
        *paths : Path or None
            The files; None is left out.
        is_own : bool, keyword-only, optional
            Whether existing files may be replaced. By default, those that say that this
            command has made them from the same input.

        Raises
        ------
        FieldFileError
            If a file cannot be written, or is one that is read.
        ConfigError
            If it exists, and may belong to others; or if it is to be written twice.
        """
        for path in paths:
            if path is None:
                continue
            check_writable(path, inputs=[*self.maker.inputs, *self.others])
            if path.resolve() in self._paths:
                raise ConfigError(f"{path}: two outputs would have this file")
            if path.exists() and not (
                self.overwrite
                or (self.maker.has_made(path) if is_own is None else is_own)
            ):
                raise ConfigError(self._why_not(path, is_table=is_own is not None))
            self._paths.append(path.resolve())

    def _why_not(self, path: Path, *, is_table: bool) -> str:
        name = self.maker.name
        expected = (
            f"is not such a table, or not of the same run of {name}"
            if is_table
            else f"does not say that {name} has written it from the same input"
        )
        return (
            f"{path}: already exists, and {expected}: choose another name, or add "
            "--overwrite"
        )

    def add_in(
        self, folder: Path, names: Iterable[str], *, report: str | None = None
    ) -> None:
        """Create a folder, and check files in it, as `add` does.

        Parameters
        ----------
        folder : Path
            The folder.
        names : iterable of str
            Names of the files.
        report : str, keyword-only, optional
            Name of the file that says for all who made them.
        """
        create_folder(folder)
        is_own = None
        if report is not None and self.maker.has_made(folder / report):
            is_own = True
        self.add(*(folder / name for name in names), is_own=is_own)
