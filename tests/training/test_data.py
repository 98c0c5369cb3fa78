"""Training fields obey the physics they were made with."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_vit_tfm.synthesis import NoiseDistribution
from napari_vit_tfm.training import data
from napari_vit_tfm.training.config import FieldKind, TrainingConfig
from napari_vit_tfm.training.data import (
    TrainingFields,
    validation_fields,
    validation_kinds,
)

CONFIG = TrainingConfig(
    batch_size=3,
    kinds=(
        FieldKind("discs", {"count": (3, 6)}, shapes=((24, 24),)),
        FieldKind(
            "adhesions",
            {"count": (3, 6), "semi_axis": (0.6, 3.0)},
            shapes=((16, 32), (16, 24)),
            windows=(0.0, 2.0),
        ),
    ),
    noise=NoiseDistribution(
        strength=(0.05, 0.1),
        clean_share=0.5,
        correlated_share=0.0,
        distorted_share=0.0,
        rounded_share=0.0,
    ),
)
CPU = torch.device("cpu")


def test_a_batch_is_what_it_was_drawn_as() -> None:
    fields = TrainingFields(CONFIG)
    shapes = set()
    for number in range(60):
        batch = fields.batch(number).to(CPU)
        displacement, traction = batch.fields()
        assert displacement.dtype == traction.dtype == torch.float32
        assert displacement.shape == traction.shape == (3, 2, *batch.shape)
        shapes.add((batch.shape, batch.window))
        for i, pattern in enumerate(fields.batch(number).patterns):
            u, t = (
                torch.as_tensor(f[0]).movedim(-1, 0)
                for f in pattern.on_grid(batch.shape, window=batch.window)
            )
            torch.testing.assert_close(traction[i], t.float(), atol=1e-5, rtol=1e-5)
            about_mean = u - u.mean(dim=(1, 2), keepdim=True)
            noise = (displacement[i] - u).square().mean() / about_mean.square().mean()
            assert noise.sqrt().item() == pytest.approx(
                batch.noise.strength[i].item(), rel=0.15, abs=1e-4
            )
    assert shapes == {
        ((24, 24), 0.0),
        *(((16, width), window) for width in (24, 32) for window in (0.0, 2.0)),
    }


def test_kinds_are_drawn_by_their_shares() -> None:
    one, other = (replace(kind, shapes=((16, 16),)) for kind in CONFIG.kinds)
    kinds = replace(one, share=0.1), replace(other, share=0.9)
    fields = TrainingFields(replace(CONFIG, batch_size=1, kinds=kinds))
    names = [type(fields.batch(number).patterns[0]).__name__ for number in range(60)]
    assert 0 < names.count("Discs") < 16
    assert names.count("Discs") + names.count("ForcePatches") == 60


def test_noise_does_not_go_on_at_the_other_border() -> None:
    noise = NoiseDistribution(
        strength=(1.0, 1.0), clean_share=0.0, correlated_share=1.0, length=(6.0, 6.0)
    )
    kinds = (replace(CONFIG.kinds[0], noise=noise),)
    fields = TrainingFields(replace(CONFIG, batch_size=16, kinds=kinds))
    batch = fields.batch(0).to(CPU)
    still = replace(batch.noise, strength=torch.zeros(16), rounding=torch.zeros(16))
    clean = replace(batch, noise=replace(still, distortion=torch.zeros(16, 2, 5)))
    made = batch.fields()[0] - clean.fields()[0]
    neighbours = (made[..., 1:] - made[..., :-1]).square().mean()
    borders = (made[..., -1] - made[..., 0]).square().mean()
    assert borders > 20 * neighbours


def test_a_batch_depends_on_seed_and_number_alone() -> None:
    stream = iter(TrainingFields(CONFIG))
    first = [next(stream).to(CPU).fields()[0] for _ in range(6)]
    later = iter(TrainingFields(CONFIG, start=4))
    for expected in first[4:]:
        torch.testing.assert_close(
            next(later).to(CPU).fields()[0], expected, rtol=0, atol=0
        )
    assert not any(
        a.shape == b.shape and torch.equal(a, b)
        for i, a in enumerate(first)
        for b in first[:i]
    )


def test_processes_share_the_batches() -> None:
    streams = [iter(TrainingFields(CONFIG, rank=rank, n_ranks=2)) for rank in (0, 1)]
    drawn = [next(stream) for _ in range(2) for stream in streams]
    for number, batch in enumerate(drawn):
        assert batch.seed == TrainingFields(CONFIG).batch(number).seed


def test_workers_share_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for worker, numbers in ((0, (3, 5)), (1, (4, 6))):
        info = SimpleNamespace(id=worker, num_workers=2)
        monkeypatch.setattr(data, "get_worker_info", lambda info=info: info)
        drawn = islice(TrainingFields(CONFIG, start=3), 2)
        for number, batch in zip(numbers, drawn, strict=True):
            assert batch.seed == TrainingFields(CONFIG).batch(number).seed


def test_a_batch_travels_between_processes() -> None:
    batch = TrainingFields(CONFIG).batch(0)
    copy = pickle.loads(pickle.dumps(batch))  # noqa: S301 - our own bytes
    for a, b in zip(batch.to(CPU).fields(), copy.to(CPU).fields(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_validation_fields_are_fixed_and_as_noisy_as_said() -> None:
    discs = CONFIG.kinds[0]
    clean, truth = validation_fields(discs, 2, 0.0)
    noisy, same = validation_fields(discs, 2, 0.1)
    torch.testing.assert_close(truth, same)
    noise = (noisy - clean).square().mean(dim=(1, 2, 3))
    share = noise / clean.var(dim=(2, 3), correction=0).mean(dim=1)
    torch.testing.assert_close(share.sqrt(), torch.full((2,), 0.1), rtol=0.1, atol=0)
    # On the first of a kind's grids.
    for array in validation_fields(CONFIG.kinds[1], 2, 0.1):
        assert array.shape == (2, 2, 16, 32)


def test_a_run_is_validated_on_the_first_kind_of_each_name() -> None:
    other = replace(CONFIG.kinds[0], shapes=((32, 32),))
    config = replace(CONFIG, kinds=(*CONFIG.kinds, other))
    assert validation_kinds(config) == {
        "discs": CONFIG.kinds[0],
        "adhesions": CONFIG.kinds[1],
    }


def test_a_kind_may_have_noise_of_its_own() -> None:
    kind = FieldKind(shapes=((16, 16),), noise=NoiseDistribution(clean_share=1.0))
    quiet = replace(CONFIG, kinds=(kind,), noise=NoiseDistribution(clean_share=0.0))
    assert not TrainingFields(quiet).batch(0).noise.strength.any()
    loud = replace(quiet, kinds=(replace(kind, noise=None),))
    assert TrainingFields(loud).batch(0).noise.strength.all()
