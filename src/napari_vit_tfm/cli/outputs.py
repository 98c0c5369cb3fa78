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
    help="Also replace existing files that this command has not written from the same "
    "input, or that do not say so, such as tables and figures. Files that the command "
    "reads are never replaced.",
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

    def add(self, *paths: Path | None) -> None:
        """Check files, and remember that they will be written.

        Parameters
        ----------
        *paths : Path or None
            The files; None is left out.

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
            if path.exists() and not (self.overwrite or self.maker.has_made(path)):
                raise ConfigError(
                    f"{path}: already exists, and does not say that {self.maker.name} "
                    "has written it from the same input: choose another name, or add "
                    "--overwrite"
                )
            self._paths.append(path.resolve())

    def add_in(self, folder: Path, names: Iterable[str]) -> None:
        """Create a folder, and check files in it, as `add` does.

        Parameters
        ----------
        folder : Path
            The folder.
        names : iterable of str
            Names of the files.
        """
        create_folder(folder)
        self.add(*(folder / name for name in names))
