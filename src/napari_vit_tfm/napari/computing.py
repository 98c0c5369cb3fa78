"""Options of a computation in a dock: views, device and batch size."""

from __future__ import annotations

import dataclasses

from napari_vit_tfm.config import DisplayConfig, ReconstructionConfig
from napari_vit_tfm.options import Option, options_of


def _automatic(option: Option) -> Option:
    about = dataclasses.replace(option.about, otherwise="automatic")
    return dataclasses.replace(option, default=None, about=about)


COMPUTING = {
    name: _automatic(option) if name == "batch_size" else option
    for name, option in options_of(ReconstructionConfig).items()
    # It is shown with the model.
    if name != "heads"
}
"""Options in the section *Computing*."""

COMPUTING_TO_LOOK_AT = {
    name: dataclasses.replace(option, default=getattr(DisplayConfig, name))
    if name in ("residual", "uncertainty")
    else option
    for name, option in COMPUTING.items()
}
"""The same with the defaults of a run whose tractions are looked at."""


def with_batch_size(
    config: ReconstructionConfig, batch_size: int | None, device: str
) -> ReconstructionConfig:
    """A configuration with the batch size on a device.

    Parameters
    ----------
    config : ReconstructionConfig
        The configuration.
    batch_size : int, optional
        Frames per batch. None is the default of `DisplayConfig` on the CPU, where a
        batch takes long, and that of `ReconstructionConfig` on a GPU.
    device : str
        The device that computes.
    """
    if batch_size is None:
        on_gpu = ReconstructionConfig.batch_size
        batch_size = DisplayConfig.cpu_batch_size if device == "cpu" else on_gpu
    return dataclasses.replace(config, batch_size=batch_size)
