"""Displacements that no tractions in the field cause on the gel that is stated.

Measured cells often leave several percent of the squared displacement unexplained,
although the noise is much weaker. Known causes are a gel that is thinner or more
compressible than stated, forces outside the field of view, averages over large
interrogation windows, distortions, and wrong vectors. Some programs also simulate
cells with a response that is cut off at a distance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.physics.raster import raster_displacement, square_displacement
from napari_vit_tfm.synthesis.noise import correlated, log_uniform

FloatArray = npt.NDArray[np.float64]
Rng = np.random.Generator

_COMPRESSIBLE = 0.3
"""A Poisson ratio of a compressible gel."""


@dataclass(frozen=True)
class MisfitDistribution:
    """Distribution of what does not fit the model.

    Parameters
    ----------
    size : tuple of float
        Range of the root mean square of what is added to the displacement, relative
        to that of the displacement, both about their means; drawn log-uniformly.
    both_share : float
        Fraction of the fields with two causes. The others have one.
    """

    size: tuple[float, float] = (0.03, 0.5)
    both_share: float = 0.3

    def draw(self, rng: Rng, displacement: FloatArray, traction: FloatArray) -> None:
        """Add what does not fit to one field, in place.

        Parameters
        ----------
        rng : numpy.random.Generator
            Random numbers.
        displacement : array of shape (2, H, W)
            Displacement, in any unit.
        traction : array of shape (2, H, W)
            Tractions ``t / E`` at the nodes.
        """
        size = _size(displacement)
        names = list(CAUSES)
        for _ in range(1 + int(rng.random() < self.both_share)):
            made = CAUSES[names[rng.integers(len(names))]](rng, traction)
            own = _size(made)
            if own > 0:
                share = log_uniform(rng, self.size, 1)[0]
                displacement += share * size / own * made


def _size(vectors: FloatArray) -> float:
    """Root mean square of the components about their means."""
    return float(np.sqrt(vectors.var(axis=(1, 2)).mean()))


def _short_response(rng: Rng, traction: FloatArray) -> FloatArray:
    """What is missing if the response is cut off at a distance."""
    height, width = traction.shape[1:]
    y = np.arange(1 - height, height)[:, None]
    x = np.arange(1 - width, width)[None, :]
    reach = rng.uniform(0.1, 0.6) * min(height, width)
    square = np.maximum(abs(x), abs(y)) > reach
    far = square if rng.random() < 0.5 else np.hypot(x, y) > reach
    xx, yy, xy = (part * far for part in square_displacement(x, y))
    t_x, t_y = traction
    convolve = scipy.signal.fftconvolve
    return -np.stack(
        [
            convolve(t_x, xx, "same") + convolve(t_y, xy, "same"),
            convolve(t_x, xy, "same") + convolve(t_y, yy, "same"),
        ]
    )


def _thin_layer(rng: Rng, traction: FloatArray) -> FloatArray:
    """Difference of a layer from a half-space."""
    vectors = np.moveaxis(traction, 0, -1)
    thickness = float(log_uniform(rng, (4.0, 40.0), 1)[0])
    layer = Substrate(Gel(thickness_um=thickness))
    made = surface_displacement(vectors, layer, spacing_um=1.0)
    return np.moveaxis(made - surface_displacement(vectors), -1, 0)


def _compressible(_rng: Rng, traction: FloatArray) -> FloatArray:
    """Difference of a compressible gel; it is proportional to its Poisson ratio."""
    other = np.stack(raster_displacement(*traction, poisson=_COMPRESSIBLE))
    return np.asarray(other - np.stack(raster_displacement(*traction)))


def _wide_windows(rng: Rng, traction: FloatArray) -> FloatArray:
    """Difference of the average over an interrogation window."""
    window = float(rng.integers(2, 9))
    average = np.stack(raster_displacement(*traction, window=window))
    return np.asarray(average - np.stack(raster_displacement(*traction)))


def _long_waves(rng: Rng, traction: FloatArray) -> FloatArray:
    """Smooth errors of tracking, drift and swelling."""
    shape = traction.shape[1:]
    length = float(log_uniform(rng, (6.0, 40.0), 1)[0])
    room = int(4 * length)
    white = rng.standard_normal((2, *(n + room for n in shape)))
    smooth = np.asarray(correlated(white, np.full(2, length)))
    return smooth[:, : shape[0], : shape[1]]


def _forces_outside(rng: Rng, traction: FloatArray) -> FloatArray:
    """Points of force beyond the border."""
    shape = np.array(traction.shape[1:])
    y, x = np.indices(traction.shape[1:])
    made = np.zeros_like(traction)
    for _ in range(rng.integers(1, 5)):
        place = rng.uniform(0, shape - 1)
        axis, beyond = rng.integers(2), rng.uniform(2, 30)
        place[axis] = -beyond if rng.random() < 0.5 else shape[axis] - 1 + beyond
        xx, yy, xy = square_displacement(x - place[1], y - place[0])
        f_x, f_y = rng.standard_normal(2)
        made += np.stack([f_x * xx + f_y * xy, f_x * xy + f_y * yy])
    return made


def _local_distortions(rng: Rng, traction: FloatArray) -> FloatArray:
    """Places that move together, or away from their centre."""
    shape = traction.shape[1:]
    y, x = np.indices(shape)
    made = np.zeros_like(traction)
    for _ in range(rng.integers(1, 7)):
        centre = rng.uniform(0, np.array(shape) - 1)
        size = log_uniform(rng, (2.0, 12.0), 1)[0]
        away = np.stack([x - centre[1], y - centre[0]]) / size
        shape_of = np.exp(-0.5 * np.square(away).sum(axis=0))
        moved = rng.standard_normal((2, 1, 1)) if rng.random() < 0.5 else away
        made += rng.choice([-1, 1]) * rng.lognormal(0, 0.4) * moved * shape_of
    return made


def _wrong_vectors(rng: Rng, traction: FloatArray) -> FloatArray:
    """A few vectors that have nothing to do with the displacement."""
    height, width = traction.shape[1:]
    made = np.zeros_like(traction)
    n = rng.integers(1, 11)
    place = rng.integers(height, size=n), rng.integers(width, size=n)
    made[:, place[0], place[1]] = rng.standard_normal((2, n))
    return made


CAUSES: Mapping[str, Callable[[Rng, FloatArray], FloatArray]] = {
    "short response": _short_response,
    "thin layer": _thin_layer,
    "compressible gel": _compressible,
    "wide windows": _wide_windows,
    "long waves": _long_waves,
    "forces outside": _forces_outside,
    "local distortions": _local_distortions,
    "wrong vectors": _wrong_vectors,
}
"""Functions of random numbers and tractions ``t / E`` of shape (2, H, W), that return
what is added to the displacement, ``(2, H, W)``, up to a factor."""


def add_misfit(
    displacement: npt.NDArray[np.floating],
    traction: npt.NDArray[np.floating],
    *,
    share: float,
    rng: Rng,
    distribution: MisfitDistribution | None = None,
) -> FloatArray:
    """Add what does not fit the model of the gel to a share of displacement fields.

    Parameters
    ----------
    displacement : array of shape (N, 2, H, W)
        Displacements, in any unit.
    traction : array of shape (N, 2, H, W)
        Tractions ``t / E`` at the nodes.
    share : float, keyword-only
        Fraction of the fields that get something.
    rng : numpy.random.Generator, keyword-only
        Random numbers.
    distribution : MisfitDistribution, keyword-only, optional
        What is added.

    Returns
    -------
    array of shape (N, 2, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.synthesis import MisfitDistribution, add_misfit, synthesise
    >>> made = synthesise(2, seed=0, shape=(48, 48))
    >>> u, t = (np.moveaxis(a, -1, 1) for a in (made.displacement, made.traction))
    >>> rng = np.random.default_rng(0)
    >>> one = MisfitDistribution(size=(0.2, 0.2), both_share=0.0)
    >>> changed = add_misfit(u, t, share=1.0, rng=rng, distribution=one)
    >>> (((changed - u).std(axis=(2, 3)) / u.std(axis=(2, 3))).mean() > 0.1).item()
    True
    """
    distribution = distribution or MisfitDistribution()
    changed = np.array(displacement, dtype=np.float64)
    for field, own in zip(changed, np.asarray(traction, np.float64), strict=True):
        if rng.random() < share:
            distribution.draw(rng, field, own)
    return changed
