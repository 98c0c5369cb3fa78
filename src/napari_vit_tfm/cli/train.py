"""``vit-tfm train``: train a network."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import click

from napari_vit_tfm.cli.options import FILE, device_option
from napari_vit_tfm.config import Device


@click.command("train")
@click.option(
    "--config",
    type=FILE,
    metavar="FILE",
    help="TOML file that describes the run; without it, the bundled network's.",
)
@click.option("--resume", is_flag=True, help="Go on from the folder's last checkpoint.")
@device_option
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="DIR",
    help="Folder for weights, checkpoints and logs.",
)
def command(*, config: Path | None, resume: bool, device: Device, output: Path) -> None:
    """Train a network on synthetic fields.

    The fields are made along the way. Writes the weights, vit.safetensors, and
    the run's configuration, checkpoints and logs to a folder. `--model
    DIR/vit.safetensors` uses the weights.
    """
    try:
        from napari_vit_tfm.training import TrainingConfig, train
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("napari_vit_tfm"):
            raise
        raise click.ClickException(
            f"training needs {error.name}: pip install 'napari-vit-tfm[train]'"
        ) from error
    from napari_vit_tfm.cli.run import is_watched
    from napari_vit_tfm.reconstruct import resolve_device

    described = files("napari_vit_tfm") / "training" / "configs" / "bundled.toml"
    with as_file(described) as bundled:
        run = TrainingConfig.from_toml(config or bundled)
    weights = train(
        run,
        output=output,
        resume=resume,
        device=resolve_device(device),
        progress=is_watched(),
    )
    click.echo(f"weights: {weights}")
