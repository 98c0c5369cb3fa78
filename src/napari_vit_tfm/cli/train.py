"""``vit-tfm train``: train a network."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_vit_tfm.cli.options import device_option
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import FILE, count
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.config import PRECISIONS, Device, Precision

if TYPE_CHECKING:
    from napari_vit_tfm.models.physics_vit import PhysicsViTConfig
    from napari_vit_tfm.training import TrainingConfig
    from napari_vit_tfm.training.measure import Throughput

MEASURED_NAME = "throughput.json"
"""Name of the file with the measured speed."""


@click.command("train")
@click.option(
    "--config",
    type=FILE,
    metavar="FILE",
    help="TOML file with the configuration of the run. Default: the configuration of "
    "the bundled network, or with --resume that in the folder.",
)
@click.option(
    "--resume", is_flag=True, help="Resume the run from the checkpoint in the folder."
)
@click.option(
    "--weights",
    metavar="FILE|vit",
    help="Start from the weights of a trained network. It determines the size of the "
    "network.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="Precision of the encoder blocks, instead of that in the configuration.",
)
@device_option
@click.option(
    "--devices",
    type=count(),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of GPUs, or of processes on the CPU, per node.",
)
@click.option(
    "--nodes",
    type=count(),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of machines; run the command on each of them.",
)
@click.option(
    "--measure",
    type=count(),
    metavar="STEPS",
    help="Only measure the speed over STEPS steps, and write throughput.json.",
)
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="DIR",
    help="Folder for weights, checkpoint and logs.",
)
@overwrite_option
def command(
    *,
    config: Path | None,
    resume: bool,
    weights: str | None,
    precision: Precision | None,
    device: Device,
    devices: int,
    nodes: int,
    measure: int | None,
    output: Path,
    overwrite: bool,
) -> None:
    """Train a network on synthetic fields.

    The fields are generated during training. Writes the weights (vit.safetensors),
    configuration, checkpoint and logs to a folder. Use the weights with `--model
    DIR/vit.safetensors`.
    """
    try:
        from napari_vit_tfm.training import (
            CONFIG_NAME,
            WEIGHTS_NAME,
            is_run_of,
            starting_weights,
            train,
        )
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("napari_vit_tfm"):
            raise
        raise click.ClickException(
            f"training needs {error.name}: pip install 'napari-vit-tfm[train]'"
        ) from error
    from napari_vit_tfm.cli.reporting import is_terminal

    if measure and (resume or weights is not None or devices * nodes > 1):
        raise click.UsageError(
            "--measure requires a new network on one device: leave out --resume, "
            "--weights, --devices and --nodes"
        )
    others = [weights] if resume else [config, weights]
    if config is None and resume and (output / CONFIG_NAME).is_file():
        config = output / CONFIG_NAME
    start = None if weights is None else starting_weights(weights)
    run = _read_config(config, None if start is None else start.network.config)
    if precision is not None:
        run = replace(run, precision=precision)
    if measure:
        outputs = Outputs.of("train", overwrite=overwrite, others=others)
        outputs.add_in(output, [MEASURED_NAME])
        _measure(run, steps=measure, device=device, outputs=outputs, folder=output)
        return
    # A run that is resumed, or begun again, goes on with the files in its folder.
    is_own = resume or is_run_of(output, run)
    outputs = Outputs.of("train", overwrite=overwrite or is_own, others=others)
    written = train(
        run,
        output=output,
        resume=resume,
        start=start,
        device=device,
        devices=devices,
        nodes=nodes,
        progress=is_terminal(),
        before_writing=partial(outputs.add_in, output, [CONFIG_NAME, WEIGHTS_NAME]),
    )
    if written is not None:
        echo(f"weights: {written}")


def _read_config(
    config: Path | None, network: PhysicsViTConfig | None
) -> TrainingConfig:
    """Configuration in a file, or that of the bundled network."""
    from napari_vit_tfm.training import TrainingConfig

    if config is not None:
        return TrainingConfig.from_toml(config, network=network)
    resource = files("napari_vit_tfm") / "training" / "configs" / "bundled.toml"
    with as_file(resource) as bundled:
        run = TrainingConfig.from_toml(bundled)
    return run if network is None else replace(run, network=network)


def _measure(
    run: TrainingConfig, *, steps: int, device: Device, outputs: Outputs, folder: Path
) -> None:
    from napari_vit_tfm.io.replacing import write_bytes
    from napari_vit_tfm.training.measure import measure

    found = measure(run, steps=steps, device=device)
    path = folder / MEASURED_NAME
    known = {**found.to_dict(), "made": outputs.maker.attributes(folder)}
    write_bytes(path, f"{json.dumps(known, indent=2)}\n".encode())
    _report(found)
    echo(f"throughput: {path}")


def _report(found: Throughput) -> None:
    echo(
        f"{found.steps} steps of {found.batch_size} fields on {found.device}, "
        f"precision {found.precision}; fields per second:"
    )
    echo(f"  generation alone: {found.generation:.3g}")
    echo(f"  training alone: {found.training:.3g}")
    echo(f"  both: {found.both:.3g}")
    for name, share in found.share.items():
        echo(
            f"training: {found.flops / 1e9:.3g} GFLOP/s, {share:.1%} of the "
            f"{found.matmul_flops[name] / 1e9:.3g} GFLOP/s of a {name} matrix product"
        )
