from __future__ import annotations

import pytest

import napari_vit_tfm as tfm
from napari_vit_tfm.errors import (
    ConfigError,
    FieldError,
    FieldFileError,
    ModelError,
    TFMError,
)

KINDS = (FieldError, FieldFileError, ModelError, ConfigError)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_caught_by_the_root_and_by_no_other_kind(
    kind: type[TFMError],
) -> None:
    assert issubclass(kind, tfm.TFMError)
    assert not any(issubclass(kind, other) for other in KINDS if other is not kind)


def test_public_functions_raise_the_kind_of_what_is_wrong() -> None:
    with pytest.raises(FieldError):
        tfm.Gel(young_pa=-1.0)
    with pytest.raises(FieldFileError):
        tfm.read_displacement("missing.h5")
    with pytest.raises(ModelError):
        tfm.load_method(tfm.ReconstructionConfig(model="missing"))
    with pytest.raises(ConfigError):
        tfm.load_method(
            tfm.ReconstructionConfig(model="vit", options={"regularisation": 1.0})
        )
