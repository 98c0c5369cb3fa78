"""``python -m napari_vit_tfm`` is the command ``vit-tfm``."""

from napari_vit_tfm.cli.main import main

if __name__ == "__main__":
    main(prog_name="vit-tfm")
