"""Traction files from displacements, which go on after an interruption."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.io import ResumableSink, open_resumable_traction
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction.batches import Batch
from napari_vit_tfm.reconstruction.run import Notify, Run

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod


def reconstruct_to_file(
    displacement: Displacement,
    path: str | os.PathLike[str],
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    preparation: PreparationConfig | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify,
    made_by: str = "",
) -> Generator[Batch, None, None]:
    """Reconstruct tractions batch by batch, and write them to a file.

    The file appears after the last batch. If there are several batches, they are
    written to a partial file first, see `io.open_resumable_traction`. After an
    interruption, the same call goes on from it.

    Parameters
    ----------
    displacement, substrate, config, method, preparation, is_cancelled, on_notice
        As for `reconstruct`. Device and batch size may be others than before the
        interruption.
    path : path
        The file to write, as for `io.write_traction`.
    made_by : str, keyword-only
        The command that computes, which is written into the file.

    Yields
    ------
    Batch
        Tractions of the next frames, in order, beginning with those that were
        computed before the interruption. Close the iterator if you do not use it up.

    Raises
    ------
    FieldError, ModelError, ConfigError, Cancelled
        As `reconstruct`.
    FieldFileError
        If the file cannot be written, or there is a partial file that cannot be
        continued.

    Examples
    --------
    >>> from napari_vit_tfm import ReconstructionConfig, read_traction
    >>> from napari_vit_tfm.reconstruction import reconstruct_to_file
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> displacement, _ = synthesise(3, seed=0, shape=(32, 32)).on_gel(
    ...     young_pa=5_000, spacing_um=0.8
    ... )
    >>> notices = []
    >>> config = ReconstructionConfig(model="fttc", device="cpu", batch_size=2)
    >>> for batch in reconstruct_to_file(
    ...     displacement, "film.h5", config=config, on_notice=notices.append
    ... ):
    ...     print(f"{batch.stop} of {batch.total} frames")
    2 of 3 frames
    3 of 3 frames
    >>> read_traction("film.h5").n_frames
    3
    """
    run = Run(
        *(displacement, substrate, config, method, preparation),
        is_cancelled=is_cancelled,
        on_notice=on_notice,
        made_by=made_by,
    )
    sink: ResumableSink | None = None
    try:
        with open_resumable_traction(
            path, n_frames=displacement.n_frames, run=run.determined_by()
        ) as sink:
            if sink.n_kept:
                on_notice(f"continuing {sink.path}, which has {sink.kept_in_words}")
            for batch in run.batches(sink.finished):
                sink.append(batch.traction, batch.checks)
                yield batch
    except BaseException:
        if sink is not None and sink.n_kept:
            on_notice(
                f"{sink.path} has {sink.kept_in_words}: the same command continues it"
            )
        raise
