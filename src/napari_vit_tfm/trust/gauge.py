"""The gauge of unfamiliar fields: whether a field is unlike those of the training.

The error of a network is known for fields like those that it was trained on. The gauge
compares features of displacement, tractions and residual with those of such fields, and
with those of fields that are wrong in known ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import Records
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.features import FEATURES, features_of, linear_parts

FloatArray = npt.NDArray[np.float64]

MOST_NOISE = 0.68
"""Largest familiar standard deviation of the noise, relative to the root mean square of
the displacement about its mean."""

MOST_STRAIN = 0.5
"""Largest familiar gradient of the displacement."""

MOST_STRAIN_OF_PATCHES = 1.5
"""The same for the fields of `Classifier.odds_of_patches`: those of the training have
gradients of up to 1.3, at the edges of the patches."""

MOST_MOTION = 0.035
"""Largest familiar shear and rotation of the residual: the norm of the two."""

SMALLEST_SIDE = 32
"""Fewest vectors along a side of a field that is judged."""

_PATCHES_IN_DOUBT = 2.0
"""Logarithm of the odds against patches up to which a field is taken for one of them: a
warning about the strain of a good field is worse than none."""

_PER_FACTOR = 10.0
"""Score per factor of e above the largest noise or strain."""

_LARGEST = 4.0
"""Largest input of the classifier: a feature that is 27 times its spread away."""

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "noise": "the displacement is mostly noise",
        "strain": "the strain is too large for linear elasticity",
        "layer": "the displacement decays faster than the tractions would let it, as "
        "on a gel that is thinner than stated",
        "divergence": "the displacement points towards some places or away from them, "
        "as by normal forces, a change of focus or swelling",
        "linear": "the whole field is sheared, rotated or stretched",
        "smooth": "a smooth part of the displacement is not explained by tractions, as "
        "by errors that are correlated over many vectors",
        "small": "the tractions are in places that are smaller than the vector spacing",
        "large": "the displacement varies only over lengths as long as the field",
    }
)
"""Why a field may be unfamiliar, in words."""

LEARNT = tuple(REASONS)[2:]
"""Reasons that the classifier tells from each other."""


@dataclass(frozen=True)
class Familiarity:
    """How a field compares with those that the network was trained on.

    Parameters
    ----------
    score : float
        Above 0 the field is unfamiliar. NaN if it is not judged.
    reason : str
        A name in `REASONS`: the most probable one, whatever the score, or "noise" if
        there is too much of it; empty if the field is not judged.
    """

    score: float
    reason: str

    @property
    def is_unfamiliar(self) -> bool:
        """Whether the field is unlike those of the training."""
        return self.score > 0

    @property
    def in_words(self) -> str:
        """The reason in words."""
        return REASONS[self.reason]


NOT_JUDGED = Familiarity(np.nan, "")
"""Of a field without displacement, or with too few vectors."""


def familiarity_records(judged: Sequence[Familiarity]) -> Records:
    """What the gauge says about frames, as records of tractions.

    Parameters
    ----------
    judged : sequence of Familiarity
        One for each frame.

    Returns
    -------
    mapping of str to array of shape (T,)
        ``unfamiliar``, 0 or 1; ``unfamiliar_score``; and ``unfamiliar_reason``, the
        number of the reason in the order of `REASONS`, from 1, or 0 for a frame that
        is not judged.
    """
    names = ("", *REASONS)
    return {
        "unfamiliar": np.array([one.is_unfamiliar for one in judged], dtype=np.int64),
        "unfamiliar_score": np.array([one.score for one in judged]),
        "unfamiliar_reason": np.array([names.index(one.reason) for one in judged]),
    }


UNLIKE = "unlike the fields that"
"""Words that only the sentences about unfamiliar frames have."""


def familiarity_in(records: Records) -> list[Familiarity]:
    """What the gauge has said about the frames of tractions.

    Parameters
    ----------
    records : mapping of str to array of shape (T,)
        Records of the tractions.

    Returns
    -------
    list of Familiarity
        One for each frame; empty if the tractions were not judged.

    Examples
    --------
    >>> from napari_vit_tfm.trust.gauge import (
    ...     Familiarity,
    ...     familiarity_in,
    ...     familiarity_records,
    ... )
    >>> records = familiarity_records([Familiarity(0.4, "noise")])
    >>> records["unfamiliar"].tolist(), records["unfamiliar_reason"].tolist()
    ([1], [1])
    >>> [one.in_words for one in familiarity_in(records)]
    ['the displacement is mostly noise']
    """
    if "unfamiliar_reason" not in records:
        return []
    names = ("", *REASONS)
    return [
        Familiarity(float(score), names[int(reason)])
        for score, reason in zip(
            records["unfamiliar_score"], records["unfamiliar_reason"], strict=True
        )
    ]


def unfamiliar_in_words(judged: Mapping[int, Familiarity], model: str) -> str:
    """Say which frames are unlike those of the training, and why.

    Parameters
    ----------
    judged : mapping of int to Familiarity
        Frames by number.
    model : str
        Name of the network.

    Returns
    -------
    str
        A sentence without a full stop; empty if no frame is unfamiliar.

    Examples
    --------
    >>> from napari_vit_tfm.trust.gauge import Familiarity, unfamiliar_in_words
    >>> judged = {0: Familiarity(-0.5, "small"), 1: Familiarity(0.4, "noise")}
    >>> words = unfamiliar_in_words(judged, "vit")
    >>> words.partition("(")[2]
    'first: frame 1, where the displacement is mostly noise)'
    """
    unlike = {n: one for n, one in judged.items() if one.is_unfamiliar}
    if not unlike:
        return ""
    first = min(unlike)
    is_one = len(unlike) == 1
    return (
        f"{len(unlike)} of {len(judged)} frames {'is' if is_one else 'are'} {UNLIKE} "
        f"{model} was trained on, and {'its' if is_one else 'their'} "
        "tractions and intervals may be wrong "
        f"(first: frame {first}, where {unlike[first].in_words})"
    )


def familiarity(
    steps: npt.NDArray[np.floating],
    traction: npt.NDArray[np.floating],
    model: npt.NDArray[np.floating],
    substrate: Substrate | None = None,
    *,
    spacing_um: float | None = None,
    noise: Noise | None = None,
) -> Familiarity:
    """Compare one frame with the fields that the bundled network was trained on.

    Parameters
    ----------
    steps : array of shape (H, W, 2)
        Measured displacement, in grid steps, finite.
    traction : array of shape (H, W, 2)
        Tractions ``t / E`` of the bundled network.
    model : array of shape (H, W, 2)
        Displacement that they cause, in grid steps.
    substrate : Substrate, optional
        The gel as it is stated; by default the reference gel.
    spacing_um : float, keyword-only, optional
        Distance between neighbouring vectors; required for a gel of finite thickness.
    noise : Noise, keyword-only, optional
        Noise of the displacement, from `estimate_noise`; estimated if it is not given.

    Returns
    -------
    Familiarity

    Notes
    -----
    A field is unfamiliar if its noise is above `MOST_NOISE`, if its largest gradient is
    above `MOST_STRAIN` (`MOST_STRAIN_OF_PATCHES` for sharp, separate patches such as
    discs), if a shear or a rotation above `MOST_MOTION` is not explained, or if a
    classifier, which was trained with ``benchmarks/gauge.py``, takes it for one of the
    wrong fields of the training. It takes `features_of` the field.

    Examples
    --------
    Noise alone:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import surface_displacement
    >>> from napari_vit_tfm.trust.gauge import familiarity
    >>> rng = np.random.default_rng(0)
    >>> steps, traction = rng.normal(size=(2, 64, 64, 2)) * [[[[0.1]]], [[[1e-4]]]]
    >>> found = familiarity(steps, traction, surface_displacement(traction))
    >>> found.is_unfamiliar, found.reason
    (True, 'noise')
    """
    if min(steps.shape[:2]) < SMALLEST_SIDE:
        return NOT_JUDGED
    return judged(
        features_of(
            steps, traction, model, substrate, spacing_um=spacing_um, noise=noise
        ),
        strain=largest_gradient(model),
        motion=unexplained_motion(steps - model),
        classifier=bundled_classifier(),
    )


def judged(
    features: FloatArray, *, strain: float, motion: float, classifier: Classifier
) -> Familiarity:
    """Compare the features of one frame with those of the training.

    Parameters
    ----------
    features : array of shape (F,)
        As from `features_of`.
    strain, motion : float, keyword-only
        As from `largest_gradient` and `unexplained_motion`.
    classifier : Classifier, keyword-only
        Such as the bundled one.

    Returns
    -------
    Familiarity
    """
    if not np.isfinite(features).all():
        return NOT_JUDGED
    scores = {
        "noise": _above(features[FEATURES.index("noise")], MOST_NOISE),
        "strain": max(
            _above(strain, MOST_STRAIN_OF_PATCHES),
            min(
                _above(strain, MOST_STRAIN),
                -classifier.odds_of_patches(features) - _PATCHES_IN_DOUBT,
            ),
        ),
        **classifier.scores(features),
    }
    scores["linear"] = max(scores["linear"], _above(motion, MOST_MOTION))
    reason = max(scores, key=lambda name: scores[name])
    # What noise hides cannot be told apart.
    named = "noise" if scores["noise"] > 0 else reason
    return Familiarity(scores[reason], named)


def judges(model_sha256: str) -> bool:
    """Whether the gauge is for tractions of the network with these weights."""
    return bool(bundled_classifier().model_sha256 == model_sha256)


def _above(value: float, most: float) -> float:
    return _PER_FACTOR * float(np.log(max(value, 1e-9) / most))


def largest_gradient(model: npt.NDArray[np.floating]) -> float:
    """Largest central difference of a component of a displacement ``(H, W, 2)``."""
    down = np.abs(model[2:] - model[:-2]).max()
    right = np.abs(model[:, 2:] - model[:, :-2]).max()
    return float(max(down, right)) / 2


def unexplained_motion(residual: npt.NDArray[np.floating]) -> float:
    """Norm of shear and rotation of a residual ``(H, W, 2)`` in grid steps."""
    components = np.stack([residual[..., i] for i in (0, 1)]).astype(np.float64)
    shear, rotation, _ = linear_parts(components)
    return float(np.hypot(shear, rotation))


@dataclass(frozen=True, eq=False)
class Classifier:
    """A small network with one hidden layer, which tells several classes apart.

    Parameters
    ----------
    centre, scale : arrays of shape (F,)
        Median of each feature in good fields, and its spread.
    hidden, hidden_bias : arrays of shapes (F, N) and (N,)
        Of the hidden layer.
    weights, bias : arrays of shapes (N, 2 + R) and (2 + R,)
        For a good field, a good field of separate patches, and the reasons.
    threshold : array of shape ()
        Score of the last good field that is taken for one.
    model_sha256 : array of str, shape ()
        Weights of the network whose tractions it judges.
    """

    centre: FloatArray
    scale: FloatArray
    hidden: FloatArray
    hidden_bias: FloatArray
    weights: FloatArray
    bias: FloatArray
    threshold: FloatArray
    model_sha256: npt.NDArray[np.str_]

    def log_odds(self, features: FloatArray) -> FloatArray:
        """Logarithm of the odds of each reason, against a good field.

        Parameters
        ----------
        features : array of shape (n, F)
            Features of fields.

        Returns
        -------
        array of shape (n, R)
        """
        outputs = self._outputs(features)
        good = np.logaddexp(outputs[:, 0], outputs[:, 1])
        return np.asarray(outputs[:, 2:] - good[:, None])

    def odds_of_patches(self, features: FloatArray) -> float:
        """Logarithm of the odds of patches with sharp edges and independent tractions.

        Such as the discs of the original work, against other good fields; for the
        features ``(F,)`` of one field.
        """
        of_others, of_patches, *_ = self._outputs(features[None])[0]
        return float(of_patches - of_others)

    def _outputs(self, features: FloatArray) -> FloatArray:
        """Logarithms of the probabilities up to a constant, ``(n, 2 + R)``."""
        inputs = scaled(features, self.centre, self.scale)
        hidden = np.tanh(inputs @ self.hidden + self.hidden_bias)
        return np.asarray(hidden @ self.weights + self.bias)

    def scores(self, features: FloatArray) -> dict[str, float]:
        """Score of each reason, for the features ``(F,)`` of one field.

        The largest is that of all reasons together.
        """
        odds = self.log_odds(features[None])[0]
        together = np.logaddexp.reduce(odds) - float(self.threshold)
        scores = odds - odds.max() + together
        return dict(zip(LEARNT, scores.tolist(), strict=True))


def scaled(features: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    """Features ``(n, F)`` relative to their spread, with a limit for large ones."""
    relative = np.arcsinh((features - centre) / scale)
    return np.asarray(np.clip(relative, -_LARGEST, _LARGEST))


@cache
def bundled_classifier() -> Classifier:
    """The classifier of the bundled network."""
    with np.load(bundled_path(), allow_pickle=False) as arrays:
        return Classifier(**arrays)


def bundled_path() -> Path:
    """File of the classifier of the bundled network."""
    return Path(__file__).with_suffix(".npz")
