"""Which force is found with a given probability, from trials."""

import numpy as np
import pytest

from napari_vit_tfm.trust.limits.trials import _limit, threshold_of


def test_threshold_and_limit_of_known_distributions() -> None:
    drawn = np.random.default_rng(0).normal(size=(20_000, 1, 2))
    # The 95% point of a normal distribution.
    assert threshold_of(drawn, None) == pytest.approx(1.645, rel=0.03)
    force = np.geomspace(0.3, 3, 400)
    found = force > np.exp(np.random.default_rng(0).normal(0, 0.2, 400))
    assert 1.25 < _limit(force, found, 1.0) < 1.45
