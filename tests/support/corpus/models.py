"""Cases of model files: own networks, the original checkpoints, the published CNN."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from corpus.case import Expected, Reads, Refuses, add, case, elsewhere
from corpus.numpy_files import Harm

REFUSES = Refuses()
LOADS = Reads(None)


def model(
    name: str, expected: Expected, content: Callable[[], bytes], file_name: str
) -> None:
    """Add a case of a model file with these bytes."""

    def make(folder: Path) -> Path:
        path = folder / file_name
        path.write_bytes(content())
        return path

    add(f"model: {name}", make, expected, kind="model")


# Networks of this package


@cache
def network() -> bytes:
    """A small network, as this package writes it."""
    from tempfile import TemporaryDirectory

    from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
    from napari_vit_tfm.models.weights import save_network

    torch.manual_seed(0)
    config = PhysicsViTConfig(width=16, depth=1, heads=2, channels=8)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "small.safetensors"
        save_network(path, PhysicsViT(config), training={})
        return path.read_bytes()


def _header(content: bytes) -> dict[str, Any]:
    (n,) = struct.unpack_from("<Q", content)
    found: dict[str, Any] = json.loads(content[8 : 8 + n])
    return found


def _tensors(content: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return load(content)


def _saved(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    from safetensors.torch import save

    return save(dict(tensors), dict(metadata))


def _configured(**changes: Any) -> Callable[[], bytes]:
    """The network with other values in its header."""

    def content() -> bytes:
        metadata = dict(_header(network())["__metadata__"])
        values = {**json.loads(metadata["network"]), **changes}
        values = {key: value for key, value in values.items() if value != "left out"}
        metadata["network"] = json.dumps(values)
        return _saved(_tensors(network()), metadata)

    return content


def _metadata(**changes: str) -> Callable[[], bytes]:
    def content() -> bytes:
        metadata = {**_header(network())["__metadata__"], **changes}
        return _saved(_tensors(network()), metadata)

    return content


def _raw(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    return lambda: change(network())


OWN = "small.safetensors"

model("own network", LOADS, network, OWN)
for _key, _value in [
    ("heads", 0), ("heads", -8), ("heads", 8.0), ("heads", "eight"), ("heads", 3),
    ("heads", True), ("heads", 10**30), ("heads", None), ("heads", "left out"),
    ("width", 0), ("width", -16), ("width", 17), ("width", 10**9), ("width", [16]),
    ("depth", 0), ("depth", -1), ("depth", 2), ("depth", 10**6), ("depth", "1"),
    ("channels", 0), ("channels", 10**7), ("channels", 2.5),
    ("mlp_ratio", 10**8), ("mlp_ratio", -4),
    ("refinements", 100_000), ("refinements", -1), ("refinements", 1.5),
    ("refinement_layers", 10**6), ("stem_layers", 10**6), ("decoder_layers", -3),
    ("regularisations", []), ("regularisations", 3), ("regularisations", ["a"]),
    ("regularisations", [-1.0, 0.1, 1.0, 10.0]), ("regularisations", [0.1] * 10_000),
    ("regularisations", [float("nan"), 0.1, 1.0, 10.0]),
    ("regularisations", "abcd"), ("regularisations", "left out"),
    ("traction_scale", 0.0), ("traction_scale", float("inf")),
    ("traction_scale", float("nan")), ("traction_scale", "0.07"),
    ("traction_scale", True), ("unknown", 3),
]:  # fmt: skip
    _shown = repr(_value) if len(repr(_value)) < 40 else "10,000 numbers"
    model(f"{_key} = {_shown}", REFUSES, _configured(**{_key: _value}), OWN)
for _words, _text in [
    ("not JSON", "{"), ("a list", "[]"), ("a number", "3"), ("empty", ""),
    ("null", "null"), ("10,000 brackets", "[" * 10_000),
    ("escape codes", "\x1b[31m"), ("a number of 5,000 digits", '{"heads": %s}' %
                                   ("9" * 5000)),
]:  # fmt: skip
    model(f"its configuration is {_words}", REFUSES, _metadata(network=_text), OWN)
model("another format", REFUSES, _metadata(format="napari-vit-tfm physics ViT 1"), OWN)
model("format with escape codes", REFUSES, _metadata(format="\x1b[31m"), OWN)


def _changed(change: Callable[[dict[str, Tensor]], object]) -> Callable[[], bytes]:
    """The network with other tensors, but the header that it has."""

    def content() -> bytes:
        tensors = _tensors(network())
        change(tensors)
        return _saved(tensors, _header(network())["__metadata__"])

    return content


def _first(change: Callable[[Tensor], Tensor]) -> Callable[[], bytes]:
    def changed(tensors: dict[str, Tensor]) -> None:
        name = sorted(tensors)[0]
        tensors[name] = change(tensors[name])

    return _changed(changed)


def _with_value(value: float) -> Callable[[Tensor], Tensor]:
    def changed(tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        tensor.view(-1)[0] = value
        return tensor

    return changed


model("a weight is NaN", REFUSES, _first(_with_value(math.nan)), OWN)
model("a weight is infinite", REFUSES, _first(_with_value(math.inf)), OWN)
model("a weight is 1e38", REFUSES, _first(_with_value(1e38)), OWN)
model("a weight is another one", REFUSES, _first(lambda t: t + 1), OWN)
model("weights of another shape", REFUSES, _first(lambda t: t[..., None]), OWN)
model("whole numbers as weights", REFUSES, _first(lambda t: t.int()), OWN)
model("complex weights", REFUSES, _first(lambda t: t.to(torch.complex64)), OWN)
model("a tensor is missing", REFUSES, _changed(lambda t: t.pop(sorted(t)[0])), OWN)
model("a tensor more", REFUSES, _changed(lambda t: t.update(a=torch.ones(3))), OWN)
model("no tensors", REFUSES, _changed(dict.clear), OWN)
for _percent in (1, 50, 99):
    model(f"own network, cut off at {_percent}%", REFUSES,
          _raw(lambda b, p=_percent: b[: len(b) * p // 100]), OWN)  # type: ignore[misc]  # fmt: skip
model("own network, a byte more", REFUSES, _raw(lambda b: b + b"a"), OWN)
model("own network, a bit of a weight is another", REFUSES, _raw(
    lambda b: b[:-41] + bytes([b[-41] ^ 64]) + b[-40:]), OWN)  # fmt: skip
model("own network, a bit of its header is another", REFUSES, _raw(
    lambda b: b.replace(b'"training":"{}', b'"training":"{ ', 1)), OWN)  # fmt: skip
model("own network, converted line ends", REFUSES, _raw(
    lambda b: b.replace(b"\n", b"\r\n") + b"\r\n"), OWN)  # fmt: skip
model("header of 2**63 bytes", REFUSES, _raw(
    lambda b: struct.pack("<Q", 2**63) + b[8:]), OWN)  # fmt: skip
model("header of 90 MB", REFUSES,
      lambda: struct.pack("<Q", 90_000_000) + b" " * 90_000_000, OWN)  # fmt: skip
model("header that is not JSON", REFUSES, lambda: struct.pack("<Q", 5) + b"{{{{{", OWN)
for _words, _entry in [
    ("of 2**62 numbers", {"dtype": "F32", "shape": [2**31, 2**31],
                          "data_offsets": [0, 4]}),
    ("beyond the end", {"dtype": "F32", "shape": [4], "data_offsets": [0, 10**12]}),
    ("of a negative length", {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}),
    ("of an unknown type", {"dtype": "Q99", "shape": [1], "data_offsets": [0, 4]}),
    ("of a negative shape", {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}),
]:  # fmt: skip

    def _content(entry: Any = _entry) -> bytes:
        raw = json.dumps({"a": entry}).encode()
        return struct.pack("<Q", len(raw)) + raw + bytes(4)

    model(f"tensor {_words}", REFUSES, _content, OWN)
model("empty", REFUSES, bytes, OWN)
model("another network's safetensors", REFUSES, lambda: _saved(
    {"a": torch.ones(3)}, {}), OWN)  # fmt: skip
model("own network, called .pth", REFUSES, network, "small.pth")
model("own network, called .h5", REFUSES, network, "small.h5")
model("own network, without an extension", REFUSES, network, "small")


@case("model: a folder", REFUSES, kind="model")
def _(folder: Path) -> Path:
    (folder / OWN).mkdir()
    return folder / OWN


@case("model: a FIFO", REFUSES, kind="model")
def _(folder: Path) -> Path:
    os.mkfifo(folder / OWN)
    return folder / OWN


@case("model: a link to a device", REFUSES, kind="model")
def _(folder: Path) -> Path:
    os.mknod(folder / "device", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    (folder / "small.pth").symlink_to("device")
    return folder / "small.pth"


@case("model: missing", REFUSES, kind="model")
def _(folder: Path) -> Path:
    return folder / "\x1b[31mnone.safetensors"


# Checkpoints of the original work

_WIDTH, _HIDDEN, _SIDE, _PATCH = 16, 24, 3, 8


@cache
def checkpoint() -> Mapping[str, Tensor]:
    """Random weights of a small network in the original format."""
    shapes: dict[str, tuple[int, ...]] = {
        "pos_embed": (1, _SIDE**2, _WIDTH),
        "patch_embed.proj.weight": (_WIDTH, 2, _PATCH, _PATCH),
        "patch_embed.proj.bias": (_WIDTH,),
        "norm.weight": (_WIDTH,),
        "norm.bias": (_WIDTH,),
        "rec_trac_head.mlp.0.weight": (_WIDTH, _WIDTH),
        "rec_trac_head.mlp.2.weight": (_WIDTH, _WIDTH),
        "rec_trac_head.mlp.0.bias": (_WIDTH,),
        "rec_trac_head.mlp.2.bias": (_WIDTH,),
        "rec_trac_head.convTrans.weight": (_WIDTH, 2, _PATCH, _PATCH),
        "rec_trac_head.convTrans.bias": (2,),
    }
    for name, shape in {
        "norm1": (_WIDTH,), "attn.qkv": (3 * _WIDTH, _WIDTH),
        "attn.proj": (_WIDTH, _WIDTH), "norm2": (_WIDTH,),
        "mlp.fc1": (_HIDDEN, _WIDTH), "mlp.fc2": (_WIDTH, _HIDDEN),
    }.items():  # fmt: skip
        shapes[f"blocks.0.{name}.weight"] = shape
        shapes[f"blocks.0.{name}.bias"] = shape[:1]
    generator = torch.Generator().manual_seed(0)
    return {
        key: 0.1 * torch.randn(shape, generator=generator, dtype=torch.float64)
        for key, shape in shapes.items()
    }


def _torch(value: Callable[[], object], *, is_zip: bool = True) -> Callable[[], bytes]:
    def content() -> bytes:
        stream = io.BytesIO()
        torch.save(value(), stream, _use_new_zipfile_serialization=is_zip)
        return stream.getvalue()

    return content


def _weights(**changes: Any) -> Callable[[], object]:
    return lambda: {
        "best_model_weights": {
            key: value
            for key, value in {**checkpoint(), **changes}.items()
            if value is not None
        }
    }


PTH = "vit.pth"
_CHECKPOINT = _torch(_weights())
_EMBEDDING, _QKV = "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"


def _ones(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.float64)


model("checkpoint", LOADS, _CHECKPOINT, PTH)
model("checkpoint, older form", LOADS, _torch(_weights(), is_zip=False), PTH)
for _words, _value in [
    ("tensor as weights", lambda: {"best_model_weights": _ones(3)}),
    ("tensor of one number as weights", lambda: {"best_model_weights": _ones(1)}),
    ("empty weights", lambda: {"best_model_weights": {}}),
    ("list as weights", lambda: {"best_model_weights": [_ones(3)]}),
    ("text as weights", lambda: {"best_model_weights": "a"}),
    ("weights with numbers as names", lambda: {"best_model_weights": {3: _ones(3)}}),
    ("weights in weights", lambda: {"best_model_weights": {"a": {"b": _ones(3)}}}),
    ("weights that contain themselves", lambda: _circle()),
    ("a tensor alone", lambda: _ones(3)),
    ("a list", lambda: [1, 2]),
    ("nothing", lambda: None),
    ("a tensor is missing", _weights(**{_QKV: None})),
    ("a tensor more", _weights(a=_ones(3))),
    ("a block more", _weights(**{"blocks.9.norm1.weight": _ones(16)})),
    ("a block without a number", _weights(**{"blocks": _ones(16)})),
    ("a block of another name", _weights(**{"blocks.\x1b[31m.a": _ones(16)})),
    ("weights of another shape", _weights(**{_QKV: _ones(48, 17)})),
    ("a number as a weight", _weights(**{_QKV: _ones()})),
    ("patches of 0", _weights(**{_EMBEDDING: _ones(16, 2, 0, 0)})),
    ("patches that are not square", _weights(**{_EMBEDDING: _ones(16, 2, 8, 4)})),
    ("positions that are not square", _weights(pos_embed=_ones(1, 8, 16))),
    ("no positions", _weights(pos_embed=_ones(1, 0, 16))),
    ("positions of 1 TB", _weights(
        pos_embed=torch.zeros(1, dtype=torch.float64).expand(1, 10**5, 10**6))),
    ("NaN as a weight", _weights(**{_QKV: _ones(48, 16) * math.nan})),
    ("infinity as a weight", _weights(**{_QKV: _ones(48, 16) * math.inf})),
    ("1e300 as a weight", _weights(**{_QKV: _ones(48, 16) * 1e300})),
    ("whole numbers", _weights(**{_QKV: torch.ones(48, 16, dtype=torch.int64)})),
    ("two precisions", _weights(**{_QKV: torch.ones(48, 16)})),
    ("half precision", _weights(**{_QKV: torch.ones(48, 16).half()})),
    ("complex", _weights(**{_QKV: torch.ones(48, 16).to(torch.complex64)})),
    ("sparse", _weights(**{_QKV: _ones(48, 16).to_sparse()})),
    ("on no device", _weights(**{_QKV: torch.empty(48, 16, device="meta")})),
]:  # fmt: skip
    model(f"checkpoint: {_words}", REFUSES, _torch(_value), PTH)


def _circle() -> object:
    weights: dict[str, Any] = {}
    weights["best_model_weights"] = weights
    return weights


def _zip(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    return lambda: change(_CHECKPOINT())


def _in_data(content: bytes) -> bytes:
    """A bit of a weight is another, which the archive's checksum tells."""
    at = content.find(checkpoint()[_QKV].numpy().tobytes()[:64])
    assert at > 0
    return content[: at + 15] + bytes([content[at + 15] ^ 64]) + content[at + 16 :]


model("checkpoint: a bit of a weight is another", REFUSES, _zip(_in_data), PTH)
for _percent in (1, 50, 99):
    model(f"checkpoint: cut off at {_percent}%", REFUSES,
          _zip(lambda b, p=_percent: b[: len(b) * p // 100]), PTH)  # type: ignore[misc]  # fmt: skip
model("checkpoint: older form, cut off", REFUSES,
      lambda: _torch(_weights(), is_zip=False)()[:-500], PTH)  # fmt: skip
model("checkpoint: only a signature", REFUSES, lambda: b"PK\x03\x04", PTH)
model(
    "checkpoint: only a signature of the older form", REFUSES, lambda: b"\x80\x02", PTH
)
model("checkpoint: empty archive", REFUSES, lambda: b"PK\x05\x06" + bytes(18), PTH)
model("checkpoint: converted line ends", REFUSES, _zip(
    lambda b: b.replace(b"\n", b"\r\n")), PTH)  # fmt: skip


def _archive(files: Callable[[Path], dict[str, bytes]]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / PTH
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files(folder).items():
                file.writestr(f"vit/{name}", content)
        return path

    return make


for _words, _files in [
    ("code in its pickle", lambda folder: {
        "data.pkl": pickle.dumps(Harm(elsewhere(folder)), 2), "version": b"3\n"}),
    ("code as a weight", lambda folder: {"data.pkl": pickle.dumps(
        {"best_model_weights": Harm(elsewhere(folder))}, 2), "version": b"3\n"}),
    ("no pickle", lambda folder: {"version": b"3\n"}),
    ("pickle of 200 MB", lambda folder: {
        "data.pkl": bytes(200_000_000), "version": b"3\n"}),
    ("pickle that stops", lambda folder: {"data.pkl": b"\x80\x02", "version": b"3\n"}),
    ("pickle that doubles 40 times", lambda folder: {
        "data.pkl": b"\x80\x02]q\0" + b"".join(
            b"(h%c" % bytes([i]) + b"h%c" % bytes([i]) + b"lq%c" % bytes([i + 1])
            for i in range(40)) + b".", "version": b"3\n"}),
    ("pickle of 10,000 lists", lambda folder: {
        "data.pkl": b"\x80\x02" + b"](" * 10_000 + b".", "version": b"3\n"}),
    ("program of TorchScript", lambda folder: {
        "data.pkl": pickle.dumps({}, 2), "constants.pkl": pickle.dumps((), 2),
        "code/a.py": b"import os", "version": b"3\n"}),
]:  # fmt: skip
    add(f"model: checkpoint: {_words}", _archive(_files), REFUSES, kind="model")  # type: ignore[arg-type]


@case("model: checkpoint: code in a pickle without an archive", REFUSES, kind="model")
def _(folder: Path) -> Path:
    path = folder / PTH
    path.write_bytes(pickle.dumps(Harm(elsewhere(folder)), 2))
    return path


# The published CNN


def _layers() -> dict[str, np.ndarray[Any, Any]]:
    """Random weights of a small U-Net, by their names in a file of Keras."""
    rng = np.random.default_rng(0)
    inputs = {2: 2, 4: 3, 6: 4, 8: 5, 10: 10, 12: 8, 14: 6}
    outputs = {2: 3, 4: 4, 6: 5, 8: 7, 10: 5, 12: 4, 14: 3}
    found = {}
    for number, n_out in outputs.items():
        found[f"conv2d_{number}/kernel"] = (3, 3, inputs[number], n_out)
        found[f"conv2d_{number}/bias"] = (n_out,)
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            found[f"batch_normalization_{number}/{name}"] = (n_out,)
    for number, n_in, n_out in ((1, 7, 5), (2, 5, 4), (3, 4, 3)):
        found[f"conv2d_transpose_{number}/kernel"] = (4, 4, n_out, n_in)
        found[f"conv2d_transpose_{number}/bias"] = (n_out,)
    found["conv2d_15/kernel"], found["conv2d_15/bias"] = (1, 1, 3, 2), (2,)
    return {name: 0.1 + rng.random(shape) for name, shape in found.items()}


def _path(name: str) -> str:
    layer, _, kind = name.partition("/")
    return f"model_weights/{layer}/{layer}/{kind}:0"


def keras(name: str, expected: Expected, change: Callable[[h5py.File], object]) -> None:
    """Add a case of the published CNN, changed."""

    def make(folder: Path) -> Path:
        path = folder / "cnn.h5"
        with h5py.File(path, "w") as file:
            for layer, values in _layers().items():
                file[_path(layer)] = values.astype("f4")
            change(file)
        return path

    add(f"model: Keras: {name}", make, expected, kind="model")


_KERNEL = _path("conv2d_2/kernel")
_SHAPE = (3, 3, 2, 3)


def _instead(value: Any, name: str = _KERNEL) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return change


def _huge(file: h5py.File) -> None:
    del file[_KERNEL]
    file.create_dataset(_KERNEL, (3, 3, 10**5, 10**5), "f4", chunks=(1, 1, 100, 100))


def _unwritten(file: h5py.File) -> None:
    del file[_KERNEL]
    file.create_dataset(_KERNEL, _SHAPE, "f4")


def _virtual(file: h5py.File) -> None:
    del file[_KERNEL]
    layout = h5py.VirtualLayout(_SHAPE, "f4")
    layout[:] = h5py.VirtualSource("elsewhere/none.h5", "a", shape=_SHAPE)
    file.create_virtual_dataset(_KERNEL, layout)


def _itself(file: h5py.File) -> None:
    del file["model_weights/conv2d_2/conv2d_2"]
    file["model_weights/conv2d_2/conv2d_2"] = file["model_weights/conv2d_2"]


for _words, _outcome, _change in [
    ("good", LOADS, bool),
    ("a layer is missing", REFUSES, _instead(None)),
    ("no weights", REFUSES, lambda file: file.__delitem__("model_weights")),
    ("weights of another shape", REFUSES, _instead(np.ones((3, 3, 2, 4), "f4"))),
    ("weights of 5 axes", REFUSES, _instead(np.ones((3, 3, 2, 3, 1), "f4"))),
    ("a number as a weight", REFUSES, _instead(3.0)),
    ("text as weights", REFUSES, _instead(np.full(_SHAPE, b"a"))),
    ("whole numbers as text", REFUSES, _instead(np.full(_SHAPE, b"1"))),
    ("complex weights", REFUSES, _instead(np.ones(_SHAPE) + 1j)),
    ("NaN as a weight", REFUSES, _instead(np.full(_SHAPE, np.nan))),
    ("infinity as a weight", REFUSES, _instead(np.full(_SHAPE, np.inf))),
    ("1e300 as a weight", REFUSES, _instead(np.full(_SHAPE, 1e300))),
    ("a negative variance", REFUSES, _instead(
        -np.ones(3), _path("batch_normalization_2/moving_variance"))),
    ("400 GB of weights", REFUSES, _huge),
    ("weights that were never written", REFUSES, _unwritten),
    ("weights that are in another file", REFUSES, _virtual),
    ("a layer that contains itself", REFUSES, _itself),
    ("external link", REFUSES, _instead(
        h5py.ExternalLink("elsewhere/none.h5", "/a"))),
    ("external link to a device", REFUSES, _instead(
        h5py.ExternalLink("/dev/zero", "/a"))),
    ("all weights are 0", LOADS, _instead(np.zeros(_SHAPE), _KERNEL)),
    ("a group as a weight", REFUSES, lambda file: (
        file.__delitem__(_KERNEL), file.create_group(_KERNEL))),
]:  # fmt: skip
    keras(_words, _outcome, _change)  # type: ignore[arg-type]
model("Keras: a field", REFUSES, lambda: _field(), "cnn.h5")
model("Keras: only the signature", REFUSES, lambda: b"\x89HDF\r\n\x1a\n", "cnn.h5")
model("Keras: cut off", REFUSES, lambda: _field()[:700], "cnn.h5")


def _field() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["displacement"] = np.zeros((2, 8, 9, 2))
    return stream.getvalue()
