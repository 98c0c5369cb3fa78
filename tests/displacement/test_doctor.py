from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.displacement import examine
from napari_vit_tfm.displacement.checks import check_frame
from napari_vit_tfm.displacement.frame_diagnosis import as_checks, diagnose, from_checks
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.synthesis import PadDistribution, synthesise


@pytest.mark.parametrize("turned", [(1, 1), (1, -1), (-1, -1)])
def test_tractions_with_a_turned_axis_do_negative_work(
    turned: tuple[int, int],
) -> None:
    cell = synthesise(1, seed=3, shape=(64, 64), distribution=PadDistribution())
    displacement = DisplacementStack(cell.displacement, unit="field")
    traction = TractionStack(cell.traction * np.float32(turned), unit="1")
    warnings = " ".join(examine(displacement, traction).warnings)
    assert ("negative work" in warnings) == (turned != (1, 1))


def test_a_field_of_zeros_did_not_move() -> None:
    data = np.zeros((2, 32, 40, 2))
    (warning,) = examine(DisplacementStack(data[:1], unit="px")).warnings
    assert warning == "nothing moved: all displacements of frame 0 are zero"
    data[1] = np.random.default_rng(0).normal(size=(32, 40, 2))
    warnings = " ".join(examine(DisplacementStack(data, unit="px")).warnings)
    assert "nothing moved in 1 of 2 frames" in warnings


def test_what_was_found_is_the_same_after_it_was_stored() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(0.3, 0.01, (3, 32, 40, 2))
    data[0, 2, 3] = np.nan
    data[1, 20:24, 20:24] = 0
    data[1, 5, 6:16] = -9999
    # Its noise is not known.
    data[2], data[2, :3, :3, 0] = 0, 1
    found = [diagnose(check_frame(field)) for field in data]
    assert found[0].holes == 1
    assert found[1].mark == -9999
    assert found[2].noise is None
    assert from_checks(as_checks(found)) == found
