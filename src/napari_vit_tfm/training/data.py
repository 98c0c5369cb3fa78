"""Training fields, made while the network trains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from napari_vit_tfm.models.tensors import to_tensor
from napari_vit_tfm.synthesis import synthesise
from napari_vit_tfm.training.config import FieldKind, TrainingConfig

_POOL_SIZE = 256
_VALIDATION_SEED = 20_000

FloatArray = npt.NDArray[np.float32]


def turn(
    fields: FloatArray, *, transpose: bool, flip_x: bool, flip_y: bool
) -> FloatArray:
    """Mirror vector fields: the nodes move, and the vectors with them.

    Parameters
    ----------
    fields : array of shape (..., H, W, 2)
        Components ``(x, y)``.
    transpose, flip_x, flip_y : bool, keyword-only
        Mirror on the diagonal, left to right, top to bottom; in this order.

    Returns
    -------
    array of shape (..., H, W, 2), or (..., W, H, 2) if transposed
    """
    if transpose:
        fields = np.swapaxes(fields, -3, -2)[..., ::-1]
    if flip_x:
        fields = fields[..., ::-1, :] * np.array([-1, 1], dtype=fields.dtype)
    if flip_y:
        fields = fields[..., ::-1, :, :] * np.array([1, -1], dtype=fields.dtype)
    return fields


class _Pool:
    """The latest clean fields of one kind; a few fresh ones with every batch."""

    def __init__(self, kind: FieldKind, config: TrainingConfig) -> None:
        self.kind = kind
        self.batch_size = config.batch_size
        self.n_fresh = max(1, config.batch_size // config.replay)
        self.fields: list[tuple[FloatArray, FloatArray]] = []

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        missing = 2 * self.batch_size - len(self.fields)
        n_fresh = max(self.n_fresh, missing)
        fresh = synthesise(
            n_fresh,
            seed=int(rng.integers(2**63)),
            shape=self.kind.shape,
            distribution=self.kind.distribution,
        )
        self.fields.extend(zip(fresh.displacement, fresh.traction, strict=True))
        del self.fields[:-_POOL_SIZE]
        chosen = rng.choice(len(self.fields), self.batch_size, replace=False)
        pairs = [_turned(self.fields[i], rng) for i in chosen]
        displacement, traction = zip(*pairs, strict=True)
        return np.stack(displacement), np.stack(traction)


def _turned(
    pair: tuple[FloatArray, FloatArray], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    height, width = pair[0].shape[:2]
    transpose, flip_x, flip_y = rng.integers(2, size=3, dtype=bool)
    transpose = bool(transpose) and height == width
    displacement, traction = (
        turn(f, transpose=transpose, flip_x=bool(flip_x), flip_y=bool(flip_y))
        for f in pair
    )
    return displacement, traction


def add_noise(
    displacement: FloatArray,
    rng: np.random.Generator,
    *,
    noise: tuple[float, float],
    clean_share: float,
) -> FloatArray:
    """Add white noise of a random strength to each field, or none.

    Parameters
    ----------
    displacement : array of shape (N, H, W, 2)
        Clean fields.
    rng : numpy.random.Generator
        Source of randomness.
    noise : tuple of float, keyword-only
        Range of the standard deviation over the field's root mean square.
    clean_share : float, keyword-only
        Share of the fields that stay clean.
    """
    n = len(displacement)
    rms = np.sqrt(np.square(displacement).mean(axis=(1, 2, 3)))
    sigma = rms * np.exp(rng.uniform(np.log(noise[0]), np.log(noise[1]), n))
    sigma[rng.random(n) < clean_share] = 0
    white = rng.standard_normal(displacement.shape, dtype=np.float32)
    noisy: FloatArray = displacement + sigma[:, None, None, None].astype("f4") * white
    return noisy


class TrainingFields(IterableDataset[tuple[Tensor, Tensor]]):
    """Batches of noisy displacements and their tractions, without end.

    Parameters
    ----------
    config : TrainingConfig
        What is drawn.
    start : int, keyword-only
        The training step at which the run begins, so that a resumed run sees
        other fields than those before it.
    """

    def __init__(self, config: TrainingConfig, *, start: int = 0) -> None:
        self.config = config
        self.start = start

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        info = get_worker_info()
        worker = info.id if info else 0
        config = self.config
        rng = np.random.default_rng([config.seed, self.start, worker])
        pools = [_Pool(kind, config) for kind in config.kinds]
        share = np.array([kind.share for kind in config.kinds])
        while True:
            pool = pools[rng.choice(len(pools), p=share / share.sum())]
            displacement, traction = pool.draw(rng)
            displacement = add_noise(
                displacement, rng, noise=config.noise, clean_share=config.clean_share
            )
            yield to_tensor(displacement), to_tensor(traction)


def validation_fields(n: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Fixed fields of the original distribution, with white noise.

    Parameters
    ----------
    n : int
        Number of fields.
    sigma : float
        Standard deviation of the noise in the reference form.

    Returns
    -------
    displacement, traction : tensors of shape (n, 2, 104, 104)
    """
    clean = synthesise(n, seed=_VALIDATION_SEED)
    rng = np.random.default_rng(_VALIDATION_SEED)
    white = rng.standard_normal(clean.displacement.shape, dtype=np.float32)
    noisy = clean.displacement + np.float32(sigma) * white
    return to_tensor(noisy), to_tensor(clean.traction)
