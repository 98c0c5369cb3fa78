"""Configuration files with random faults: refused in words, or a run that starts."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.resources import files
from typing import Any

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.synthesis import KINDS, DiscDistribution
from napari_vit_tfm.training import FieldKind, TrainingConfig
from napari_vit_tfm.training.data import TrainingFields

NUMBERS = st.sampled_from(
    [
        *(0, 1, 2, 3, 7, 8, 9, 64, 1000, -1, -5, 10**6, 2**31, 2**63, 10**30),
        *(0.0, 0.5, 1.0, 1.5, 8.0, 1e-9, 1e-300, 1e9, 1e300, -0.5),
        *(math.nan, math.inf, -math.inf),
    ]
)
SCALARS = st.one_of(
    NUMBERS,
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from([*KINDS, "32", "bf16-mixed", "1_0", "\x1b[31m", "nan"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    max_leaves=6,
)
NAMES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["kinds", "noise", "options", "network", "steps", "count", "margin"]
    ),
)


def plain() -> dict[str, Any]:
    """A configuration with every kind, as plain values."""
    options = {
        name: {
            option: value
            for option, value in vars(kind()).items()
            if option != "spots" and not isinstance(kind(), DiscDistribution)
        }
        for name, kind in KINDS.items()
    }
    kinds = tuple(
        FieldKind(name, options=options[name], shapes=((24, 32),))
        for name in KINDS
        if name != "discs"
    )
    config = TrainingConfig(kinds=(FieldKind(), *kinds), batch_size=1)
    found: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return found


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested tables and lists."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found = [place] if place else []
    for name, inner in items:
        found += places(inner, (*place, name))
    return found


PLAIN = plain()
PLACES = places(PLAIN)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(PLAIN))
    for _ in range(draw(st.integers(1, 3))):
        *outer, last = draw(st.sampled_from(PLACES))
        at: Any = values
        try:
            for part in outer:
                at = at[part]
            action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
            if action == "replace":
                at[last] = draw(VALUES)
            elif action == "remove":
                del at[last]
            elif isinstance(at, dict):
                at[draw(NAMES)] = draw(VALUES)
            else:
                at.append(draw(VALUES))
        except (KeyError, IndexError, TypeError, AttributeError):
            # An earlier fault has removed the place.
            continue
    return values


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    return [without_none(v) for v in value] if isinstance(value, list) else value


@given(configurations())
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_faults(tmp_path: Any, values: dict[str, Any]) -> None:
    path = tmp_path / "run.toml"
    path.write_text(tomli_w.dumps(without_none(values)), encoding="utf-8")
    try:
        config = TrainingConfig.from_toml(path)
    except ConfigError as error:
        message = str(error)
    else:
        message = ""
        starts(config)
    assert len(message) < 3000
    assert message.isprintable()


def starts(config: TrainingConfig) -> None:
    """A run starts, at least with small fields, and its configuration is stored."""
    assert TrainingConfig.from_dict(config.to_dict()) == config
    for kind in config.kinds:
        margin = getattr(kind.distribution, "margin", 0)
        if max(kind.shapes[0]) <= 128 and margin < 32 and kind.share:
            TrainingFields(replace(config, kinds=(kind,), batch_size=1)).batch(0)


def test_the_bundled_configurations_are_read() -> None:
    for name in ("bundled", "scale_head"):
        path = files("napari_vit_tfm.training") / "configs" / f"{name}.toml"
        TrainingConfig.from_toml(str(path))
