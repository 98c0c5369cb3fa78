"""Names and files to reconstruction methods."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from napari_vit_tfm.config import BUNDLED_MODEL, MODEL_ENDINGS, MODEL_NAMES
from napari_vit_tfm.models.base import ModelError, ReconstructionMethod
from napari_vit_tfm.models.cnn import load_cnn
from napari_vit_tfm.models.fttc import BayesianFTTCMethod, FTTCMethod
from napari_vit_tfm.models.original import load_original
from napari_vit_tfm.models.weights import load_network


def load(name_or_path: str | Path, *, heads: int | None = None) -> ReconstructionMethod:
    """Load a reconstruction method.

    Parameters
    ----------
    name_or_path : str or path
        A registered name ("vit", the bundled network, "fttc" or
        "bayesian-fttc"), a network of this project (``.safetensors``), a
        checkpoint in the original format (``.pth``, ``.pt``), or the published
        CNN (``.h5``).
    heads : int, keyword-only, optional
        Attention heads of an original checkpoint, which does not say; None
        takes the usual number for its form.

    Returns
    -------
    ReconstructionMethod

    Raises
    ------
    ModelError
        If there is no such method, or the file is not a model.

    Examples
    --------
    >>> import torch
    >>> from napari_vit_tfm.models import load
    >>> method = load("fttc")
    >>> method.traction(torch.zeros(1, 2, 32, 32)).shape
    torch.Size([1, 2, 32, 32])
    """
    if str(name_or_path) == BUNDLED_MODEL:
        weights = files("napari_vit_tfm") / "weights" / "vit.safetensors"
        with as_file(weights) as path:
            return load_network(path, name=BUNDLED_MODEL)
    for method in (FTTCMethod, BayesianFTTCMethod):
        if str(name_or_path) == method.name:
            return method()
    path = Path(name_or_path)
    if not path.is_file():
        raise ModelError(
            f"no model {str(name_or_path)!r}: it is neither a file "
            f"nor one of {', '.join(MODEL_NAMES)}"
        )
    ending = path.suffix.lower()
    if ending == ".safetensors":
        return load_network(path)
    if ending in (".pth", ".pt"):
        return load_original(path, heads=heads)
    if ending in (".h5", ".hdf5"):
        return load_cnn(path)
    raise ModelError(f"{path}: models are read from {', '.join(MODEL_ENDINGS)} files")
