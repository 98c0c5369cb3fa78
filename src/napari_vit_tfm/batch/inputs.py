"""What a batch reads is never what it writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_vit_tfm.batch.analysis import ADHESIONS, QUANTITIES, RECORD, TRACTIONS
from napari_vit_tfm.batch.experiments import Experiment
from napari_vit_tfm.batch.summary import OVERVIEW
from napari_vit_tfm.errors import ConfigError, TFMError
from napari_vit_tfm.io import input_files
from napari_vit_tfm.io.partial import partial_path
from napari_vit_tfm.io.registry import partner_paths

Identity = tuple[int, int] | Path
"""Of an existing file, its numbers in the file system; of others, their place."""


def check_inputs(
    folder: str | Path,
    experiments: Sequence[Experiment],
    others: Iterable[str | Path] = (),
) -> None:
    """Raise an error if a batch would replace a file that it reads.

    Parameters
    ----------
    folder : path
        Folder of the batch.
    experiments : sequence of Experiment
        Its experiments. The results of each are compared with the displacements and
        masks of all.
    others : iterable of path
        Further files that are read: table of experiments, models, maps of noise. The
        name of a method is no file.

    Raises
    ------
    ConfigError
        If one of the files that are read is a result or a file of the overview, also
        under another name.

    Examples
    --------
    >>> from napari_vit_tfm.batch import check_inputs, experiments_of
    >>> experiments = experiments_of(["a.h5", "results/a/tractions.h5"], "results")
    >>> check_inputs("results", experiments)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    napari_vit_tfm.errors.ConfigError: ...tractions.h5: the input would be replaced...
    """
    written = {_identity(path): path for path in _outputs(Path(folder), experiments)}
    masks = (one.mask for one in experiments if one.mask is not None)
    read = [*(one.file for one in experiments), *masks, *map(Path, others)]
    for source in dict.fromkeys(read):
        for file in _files_of(source, written):
            output = written.get(_identity(file))
            if output is not None:
                raise ConfigError(
                    f"{file}: the input would be replaced by a result ({output}): "
                    "choose another folder for the results"
                )


def _outputs(folder: Path, experiments: Sequence[Experiment]) -> list[Path]:
    """All files that a batch may write or remove."""
    paths = [folder / name for name in OVERVIEW]
    for one in experiments:
        if not one.error:
            target = folder / one.name
            names = (TRACTIONS, QUANTITIES, ADHESIONS, RECORD)
            paths += [target / name for name in names]
            paths.append(partial_path(target / TRACTIONS))
    return paths


def _files_of(source: Path, written: Iterable[Identity]) -> list[Path]:
    """The files that are read with a source, which may be a folder."""
    if not source.is_dir():
        return [source, *partner_paths(source)]
    files = list(source.iterdir()) if os.access(source, os.R_OK) else []
    try:
        # Most folders have none, and need not be looked through in detail.
        if set(written).isdisjoint(map(_identity, files)):
            return []
        return input_files(source)
    except (TFMError, OSError):
        # All images in a folder of masks are read.
        return files


def _identity(path: Path) -> Identity:
    try:
        found = path.stat()
    except OSError:
        return path.resolve()
    return found.st_dev, found.st_ino
