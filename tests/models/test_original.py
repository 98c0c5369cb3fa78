"""The original network against torch's own layers, and against its own numbers.

The checkpoints are made here, tensor by tensor as the format has them; only
the last tests need the reference data, and are skipped where it is absent.
"""

import hashlib
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.models.checkpoint import read_checkpoint
from napari_vit_tfm.models.original import load_original
from napari_vit_tfm.models.rollout import rollout
from napari_vit_tfm.models.tensors import to_stack
from napari_vit_tfm.reconstruction import reconstruct

WIDTH, HIDDEN, DEPTH, SIDE, PATCH = 16, 24, 2, 3, 8
FIELD = SIDE * PATCH

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "vit"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="no reference data in ../shared/reference/vit"
)


def weights_of(
    form: str, *, width: int = WIDTH, patch: int = PATCH, qkv_bias: bool = True
) -> dict[str, Tensor]:
    """Random weights of a small network, float64, named as in the format."""
    shapes: dict[str, tuple[int, ...]] = {
        "pos_embed": (1, SIDE**2, width),
        "patch_embed.proj.weight": (width, 2, patch, patch),
        "patch_embed.proj.bias": (width,),
    }
    for i in range(DEPTH):
        for name, shape in {
            "norm1": (width,),
            "attn.qkv": (3 * width, width),
            "attn.proj": (width, width),
            "norm2": (width,),
            "mlp.fc1": (HIDDEN, width),
            "mlp.fc2": (width, HIDDEN),
        }.items():
            shapes[f"blocks.{i}.{name}.weight"] = shape
            shapes[f"blocks.{i}.{name}.bias"] = shape[:1]
        if not qkv_bias:
            del shapes[f"blocks.{i}.attn.qkv.bias"]
    shapes |= {"norm.weight": (width,), "norm.bias": (width,)}
    shapes |= head_shapes(form, width=width, patch=patch)
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(shape, generator=generator, dtype=torch.float64)
        / math.sqrt(max(1, math.prod(shape[1:])))
        for key, shape in shapes.items()
    }


def head_shapes(form: str, *, width: int, patch: int) -> dict[str, tuple[int, ...]]:
    if form == "linear":
        layers: dict[str, tuple[int, ...]] = {
            "mlp.0": (width, width),
            "mlp.2": (width, width),
            "convTrans": (width, 2, patch, patch),
        }
        biases = {"mlp.0": width, "mlp.2": width, "convTrans": 2}
    else:
        layers = {
            "convTrans1": (width, 64, 3, 3),
            "convTrans2": (64, 32, 3, 3),
            "convTrans3": (32, 2, 3, 3),
        }
        biases = {"convTrans1": 64, "convTrans2": 32, "convTrans3": 2}
    return {
        **{f"rec_trac_head.{name}.weight": shape for name, shape in layers.items()},
        **{f"rec_trac_head.{name}.bias": (size,) for name, size in biases.items()},
    }


def displacement(n: int = 2, *, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 2, FIELD, FIELD, generator=generator, dtype=dtype)


Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(weights: Any, *, entry: str = "best_model_weights", **others: Any) -> Path:
        path = tmp_path / "checkpoint.pth"
        torch.save({"best_epoch": 10, entry: weights, **others}, path)
        return path

    return save


def by_torchs_own_layers(
    weights: dict[str, Tensor], field: Tensor, *, heads: int, eps: float
) -> Tensor:
    """The same network out of torch's transformer layers."""
    width = weights["pos_embed"].shape[-1]
    tokens = functional.conv2d(
        field,
        weights["patch_embed.proj.weight"],
        weights["patch_embed.proj.bias"],
        stride=PATCH,
    )
    tokens = tokens.flatten(2).transpose(1, 2) + weights["pos_embed"]
    names = {
        "self_attn.in_proj_": "attn.qkv.",
        "self_attn.out_proj.": "attn.proj.",
        "linear1.": "mlp.fc1.",
        "linear2.": "mlp.fc2.",
        "norm1.": "norm1.",
        "norm2.": "norm2.",
    }
    for i in range(DEPTH):
        layer = nn.TransformerEncoderLayer(
            width,
            heads,
            HIDDEN,
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=eps,
            batch_first=True,
            norm_first=True,
        ).double()
        layer.load_state_dict(
            {
                theirs + kind: weights[f"blocks.{i}.{ours}{kind}"]
                for theirs, ours in names.items()
                for kind in ("weight", "bias")
            }
        )
        tokens = layer(tokens).detach()
    tokens = functional.layer_norm(
        tokens, (width,), weights["norm.weight"], weights["norm.bias"], eps
    )
    return by_functions(weights, tokens)


def by_functions(weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """The head, function by function."""
    head = {
        key.removeprefix("rec_trac_head."): value
        for key, value in weights.items()
        if key.startswith("rec_trac_head.")
    }

    def maps_of(tokens: Tensor) -> Tensor:
        return tokens.reshape(-1, SIDE, SIDE, tokens.shape[-1]).permute(0, 3, 1, 2)

    if "convTrans.weight" in head:
        for name in ("mlp.0", "mlp.2"):
            tokens = functional.gelu(
                tokens @ head[f"{name}.weight"].T + head[f"{name}.bias"]
            )
        return functional.conv_transpose2d(
            maps_of(tokens), head["convTrans.weight"], head["convTrans.bias"], PATCH
        )
    maps = maps_of(tokens)
    for name in ("convTrans1", "convTrans2", "convTrans3"):
        maps = maps if name == "convTrans1" else functional.gelu(maps)
        maps = functional.conv_transpose2d(
            maps,
            head[f"{name}.weight"],
            head[f"{name}.bias"],
            stride=2,
            padding=1,
            output_padding=1,
        )
    return maps


@pytest.mark.parametrize("form", ["linear", "convolutional"])
def test_the_field_is_given_as_it_is_and_a_drift_is_told(save: Save, form: str) -> None:
    method, notices = load_original(save(weights_of(form))), []
    field = displacement(1, dtype=torch.float32) + 50
    found = reconstruct(
        DisplacementStack(to_stack(field), unit="field"),
        config=ReconstructionConfig(device="cpu"),
        method=method,
        on_notice=notices.append,
    )
    with torch.no_grad():
        expected = to_stack(method.traction(field))
    np.testing.assert_array_equal(found.data, expected)
    assert found.drift is None
    (notice,) = notices
    assert "which checkpoint.pth may interpret as traction" in notice


@pytest.mark.parametrize(
    ("form", "heads", "eps"), [("linear", 8, 1e-6), ("convolutional", 4, 1e-7)]
)
def test_tractions_are_those_of_torchs_own_layers(
    save: Save, form: str, heads: int, eps: float
) -> None:
    weights = weights_of(form)
    # Tokens so small that the epsilon of the first normalisation matters.
    for key in ("pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"):
        weights[key] *= 1e-3
    method = load_original(save(weights), dtype=torch.float64)
    out = method.traction(displacement())
    assert out.shape == (2, 2, FIELD, FIELD)

    expected = by_torchs_own_layers(weights, displacement(), heads=heads, eps=eps)
    torch.testing.assert_close(out, expected, rtol=1e-9, atol=1e-10)
    other_eps = by_torchs_own_layers(
        weights, displacement(), heads=heads, eps=1.1e-6 - eps
    )
    assert (out - other_eps).abs().max() > 1e-4


@pytest.mark.parametrize("form", ["linear", "convolutional"])
def test_a_method_says_what_it_is(save: Save, form: str) -> None:
    path = save(weights_of(form))
    method = load_original(path)
    assert isinstance(method, ReconstructionMethod)
    assert method.name == "checkpoint.pth"
    assert method.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert method.grid == (FIELD, FIELD)
    assert method.has_attention
    assert method.n_blocks == DEPTH
    assert method.to("cpu") is method


@pytest.mark.parametrize(("form", "usual_heads"), [("linear", 8), ("convolutional", 4)])
def test_heads_are_the_usual_number_unless_given(
    save: Save, form: str, usual_heads: int
) -> None:
    path = save(weights_of(form))
    field = displacement(1)

    def n_heads(heads: int | None) -> list[tuple[int, ...]]:
        method = load_original(path, heads=heads)
        return [tuple(a.shape) for a in method.attention(field)]

    assert n_heads(None) == [(usual_heads, SIDE**2, SIDE**2)] * DEPTH
    assert n_heads(2) == [(2, SIDE**2, SIDE**2)] * DEPTH
    with_usual = load_original(path).traction(field)
    assert not torch.allclose(with_usual, load_original(path, heads=2).traction(field))


def test_patches_are_counted_row_by_row(save: Save) -> None:
    """Without attention and MLPs a patch of the output is that of the input."""
    weights = weights_of("linear", patch=4)
    for i in range(DEPTH):
        for name in ("attn.proj", "mlp.fc2"):
            weights[f"blocks.{i}.{name}.weight"].zero_()
            weights[f"blocks.{i}.{name}.bias"].zero_()
    method = load_original(save(weights), dtype=torch.float64)
    assert method.grid == (SIDE * 4, SIDE * 4)
    assert method.patch_size == 4
    field = displacement(1)[..., : SIDE * 4, : SIDE * 4]
    changed = field.clone()
    changed[..., 4:8, 8:12] += 1.0
    difference = (method.traction(changed) - method.traction(field)).abs()
    patches = difference.amax(dim=(0, 1)).reshape(SIDE, 4, SIDE, 4).amax(dim=(1, 3))
    assert patches.nonzero().tolist() == [[1, 2]]


def test_a_network_without_qkv_bias_is_one_with_zero_bias(save: Save) -> None:
    weights = weights_of("linear", qkv_bias=False)
    without = load_original(save(weights), dtype=torch.float64).traction(displacement())
    for i in range(DEPTH):
        weights[f"blocks.{i}.attn.qkv.bias"] = torch.zeros(
            3 * WIDTH, dtype=torch.float64
        )
    zero = load_original(save(weights), dtype=torch.float64).traction(displacement())
    torch.testing.assert_close(without, zero, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("stored", [torch.float32, torch.float64])
@pytest.mark.parametrize("computed", [torch.float32, torch.float64])
def test_precision_is_the_one_asked_for(
    save: Save, stored: torch.dtype, computed: torch.dtype
) -> None:
    weights = {key: value.to(stored) for key, value in weights_of("linear").items()}
    method = load_original(save(weights), dtype=computed)
    field = displacement(1, dtype=torch.float32)
    assert method.traction(field).dtype == computed
    assert method.attention(field)[0].dtype == computed


def test_single_precision_is_the_default_and_close_to_double(save: Save) -> None:
    path = save(weights_of("linear"))
    single = load_original(path).traction(displacement())
    double = load_original(path, dtype=torch.float64).traction(displacement())
    assert single.dtype == torch.float32
    assert (single - double).norm() < 1e-5 * double.norm()


def test_weights_are_not_trained_further(save: Save) -> None:
    method = load_original(save(weights_of("linear")))
    assert not method.traction(displacement()).requires_grad


def test_best_weights_go_before_final_ones(save: Save) -> None:
    best, final = weights_of("linear"), weights_of("convolutional")
    assert (
        "rec_trac_head.mlp.0.bias"
        in read_checkpoint(save(best, final_model_weights=final)).weights
    )
    only_final = read_checkpoint(save(final, entry="final_model_weights"))
    assert "rec_trac_head.convTrans1.bias" in only_final.weights


@pytest.mark.parametrize("shape", [(1, 2, FIELD, FIELD + 8), (1, 1, FIELD, FIELD)])
def test_other_grids_are_refused(save: Save, shape: tuple[int, ...]) -> None:
    method = load_original(save(weights_of("linear")))
    with pytest.raises(ModelError, match=r"\(N, 2, 24, 24\), not \(1, "):
        method.traction(torch.zeros(shape))
    with pytest.raises(ModelError, match=r"\(N, 2, 24, 24\), not \(1, "):
        method.attention(torch.zeros(shape))


def test_attention_is_that_of_one_field(save: Save) -> None:
    method = load_original(save(weights_of("linear")))
    with pytest.raises(ModelError, match="one field at a time, not for 2"):
        method.attention(displacement(2))


class RunsCode:
    """A pickle of this runs a command when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, zipped: bool) -> None:
    marker, path = tmp_path / "it ran", tmp_path / "malicious.pth"
    found = {
        "best_model_weights": weights_of("linear"),
        "best_epoch": RunsCode(marker),
    }
    torch.save(found, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ModelError, match=r"malicious\.pth was rejected.*mkdir: only"
    ) as caught:
        load_original(path)
    assert "weights_only" not in str(caught.value)
    assert not marker.exists()

    # The file would have run it, had it been loaded as any pickle.
    torch.load(path, weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, pickle.DEFAULT_PROTOCOL])
def test_a_plain_pickle_that_runs_code_is_refused(
    tmp_path: Path, protocol: int
) -> None:
    marker, path = tmp_path / "it ran", tmp_path / "malicious.pth"
    path.write_bytes(pickle.dumps(RunsCode(marker), protocol=protocol))
    with pytest.raises(ModelError, match=r"malicious\.pth"):
        load_original(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"it begins with b''"),
        (b"\x89HDF\r\n\x1a\n and more", "not a PyTorch file.*HDF.*best_model_weights"),
        (b"PK\x03\x04 cut off", "damaged"),
        (b"\x80\x02 cut off", "rejected because it holds an unknown object"),
        (b"\x80\x02", "damaged or not a checkpoint; expected"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_original(path)


def test_a_truncated_checkpoint_is_refused(save: Save) -> None:
    path = save(weights_of("linear"))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError, match="damaged"):
        load_original(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.pth cannot be read: No such file"):
        load_original(tmp_path / "none.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        load_original(tmp_path)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (torch.zeros(3), "holds a Tensor; expected"),
        ({}, r"holds the entries \(none\); expected"),
        (
            {"state_dict": {}, "epoch": 3},
            "holds the entries 'state_dict', 'epoch'; expected",
        ),
        (dict.fromkeys("abcdefg", 1), "'e' and 2 more; expected"),
        ({"best_model_weights": [1, 2]}, "is a list, not a dictionary of tensors"),
        ({"best_model_weights": {"norm": 1.0}}, "'norm' in .* is a float, not a fl"),
        (
            {"best_model_weights": {"norm": torch.zeros(3, dtype=torch.int64)}},
            r"tensor of torch\.int64",
        ),
        (
            {
                "best_model_weights": {
                    "a": torch.zeros(3),
                    "b": torch.zeros(3, dtype=torch.float64),
                }
            },
            "mixes float32 and float64",
        ),
    ],
)
def test_checkpoints_of_something_else_are_refused(
    tmp_path: Path, found: Any, message: str
) -> None:
    path = tmp_path / "other.pth"
    torch.save(found, path)
    with pytest.raises(ModelError, match=message) as caught:
        load_original(path)
    assert "other.pth" in str(caught.value)


def without(key: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda weights: weights.pop(key)


def with_shape(key: str, *shape: int) -> Callable[[dict[str, Tensor]], object]:
    def change(weights: dict[str, Tensor]) -> None:
        weights[key] = torch.zeros(shape, dtype=torch.float64)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("patch_embed.proj.weight"), r"lack patch_embed\.proj\.weight"),
        (without("norm.bias"), r"norm\.bias is missing"),
        (without("rec_trac_head.convTrans1.weight"), "have no head of the original"),
        (with_shape("extra", 3), "'extra' is unknown"),
        (with_shape("blocks.5.norm1.weight", 16), r"blocks\.2\..* is missing.*more"),
        (
            with_shape("pos_embed", 1, 8, 16),
            "8 patches, which do not form a",
        ),
        (with_shape("pos_embed", 9, 16), r"shape \(9, 16\): expected 3 dimensions"),
        (with_shape("patch_embed.proj.weight", 16, 2, 0, 0), "none of them empty"),
        (with_shape("patch_embed.proj.weight", 16, 2, 4, 4), "patch_embed are 4 x 4"),
        (
            with_shape("patch_embed.proj.weight", 16, 10, 8, 8),
            r"has the shape \(16, 10, 8, 8\), not \(16, 2, 8, 8\)",
        ),
        (
            with_shape("rec_trac_head.convTrans3.weight", 32, 4, 3, 3),
            r"has the shape \(32, 4, 3, 3\), not \(32, 2, 3, 3\)",
        ),
    ],
)
def test_weights_of_another_network_are_refused(
    save: Save, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    weights = weights_of("convolutional")
    change(weights)
    with pytest.raises(ModelError, match=message) as caught:
        load_original(save(weights))
    assert "checkpoint.pth" in str(caught.value)


@pytest.mark.parametrize("heads", [0, -2, 3, 32])
def test_heads_that_do_not_divide_the_width_are_refused(save: Save, heads: int) -> None:
    path = save(weights_of("linear"))
    with pytest.raises(
        ModelError, match=rf"checkpoint\.pth: {heads} attention heads .* width of 16"
    ):
        load_original(path, heads=heads)


def test_usual_heads_that_do_not_divide_the_width_are_refused(save: Save) -> None:
    path = save(weights_of("linear", width=12))
    with pytest.raises(ModelError, match=r"8 attention heads .* set the number"):
        load_original(path)
    assert load_original(path, heads=3).n_blocks == DEPTH


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(REFERENCE / "seed_format_vit_expected.npz") as file:
        return dict(file)


@needs_reference
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)]
)
def test_numbers_of_the_original_code(
    expected: dict[str, np.ndarray], dtype: torch.dtype, tolerance: float
) -> None:
    method = load_original(REFERENCE / "seed_format_vit.pth", dtype=dtype)
    assert method.grid == (104, 104)
    assert method.n_blocks == 12
    field = torch.from_numpy(expected["displacement"])
    attention = method.attention(field[:1])
    results = {
        "traction": method.traction(field),
        "rollout": rollout(attention),
    }
    for name, result in results.items():
        error = np.abs(result.double().numpy() - expected[name]).max()
        assert error <= tolerance * np.abs(expected[name]).max(), name
    # The original attention was stored in single precision.
    np.testing.assert_allclose(
        attention[0].numpy(),
        expected["attention_block0"][0],
        rtol=max(tolerance, 1e-7),
        atol=0,
    )


def expanded(weights: dict[str, Tensor]) -> None:
    """A shape of 40 GB, of one number."""
    weights["pos_embed"] = torch.zeros(1, 1, 1).double().expand(1, 100_000_000, 100)


def many_blocks(weights: dict[str, Tensor]) -> None:
    one = weights["norm.bias"]
    weights.update({f"blocks.{i}.norm1.bias": one.clone() for i in range(300)})


def not_finite(weights: dict[str, Tensor]) -> None:
    weights["norm.bias"][0] = torch.nan


def huge(weights: dict[str, Tensor]) -> None:
    weights["norm.bias"][0] = 1e300


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (expanded, "but the file has only"),
        (many_blocks, "300 blocks, expected at most 256"),
        (not_finite, r"norm\.bias has values that are not finite"),
        (huge, r"norm\.bias has values above 1e\+09"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_that_no_network_has(
    tmp_path: Path,
    change: Callable[[dict[str, Tensor]], None],
    message: str,
    zipped: bool,
) -> None:
    weights = weights_of("linear")
    change(weights)
    path = tmp_path / "net.pth"
    torch.save(
        {"best_model_weights": weights}, path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(ModelError, match=message):
        load_original(path)


def test_a_tensor_in_the_place_of_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"best_model_weights": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="is a Tensor, not a dictionary of tensors"):
        load_original(path)


def test_an_empty_entry_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(
        {"best_model_weights": {}, "final_model_weights": weights_of("linear")}, path
    )
    assert load_original(path).name == "net.pth"


def test_a_changed_bit_in_the_weights_is_found(save: Save) -> None:
    path = save(weights_of("linear"))
    content = bytearray(path.read_bytes())
    with ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    content[largest.header_offset + 1000] ^= 4
    path.write_bytes(content)
    with pytest.raises(ModelError, match="does not have its checksum"):
        load_original(path)


def test_a_compressed_archive_is_refused(save: Save) -> None:
    path = save(weights_of("linear"))
    with ZipFile(path) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match="its parts are compressed"):
        load_original(path)
