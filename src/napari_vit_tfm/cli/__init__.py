"""The command ``vit-tfm``: one file per subcommand."""

from napari_vit_tfm.cli.group import main

__all__ = ["main"]
