"""The weighted mean of two networks that one run has led to from the other.

    python benchmarks/average_weights.py ONE.safetensors OTHER.safetensors -o MEAN

The mean of two networks on one way of training is often more accurate than either of
them (M. Wortsman et al., "Model soups", ICML 2022, arXiv:2203.05482).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_vit_tfm.models.weights import load_network, save_network, training_record


def average(one: Path, other: Path, share: float, output: Path) -> None:
    """Write the mean of two networks of the same size.

    Parameters
    ----------
    one, other : Path
        The weights files.
    share : float
        Share of the other network, 0 to 1.
    output : Path
        The file to write. Its header is that of the other network, with the SHA-256 of
        both.
    """
    first, second = load_network(one), load_network(other)
    weights = first.network.state_dict()
    for name, values in second.network.state_dict().items():
        weights[name].lerp_(values, share)
    first.network.load_state_dict(weights)
    training = training_record(other)
    # Step, score and errors are not those of the mean.
    training = {name: training[name] for name in ("config", "start")}
    training["averaged"] = {
        "sha256": [first.sha256, second.sha256],
        "shares": [1 - share, share],
    }
    save_network(output, first.network, training=training)


def main() -> None:
    """Average two networks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the other network")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    average(arguments.one, arguments.other, arguments.share, arguments.output)


if __name__ == "__main__":
    main()
