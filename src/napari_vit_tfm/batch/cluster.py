"""Analysis of experiments on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from napari_vit_tfm.batch.experiments import Experiment
from napari_vit_tfm.batch.outcome import Outcome, outcome_of
from napari_vit_tfm.errors import Cancelled, ConfigError

_PATIENCE = "10s"
"""Time until a scheduler that does not answer is given up."""


def on_cluster(
    analyse: Callable[[Experiment], Outcome],
    experiments: Sequence[Experiment],
    scheduler: str,
    is_cancelled: Callable[[], bool],
) -> Iterator[Outcome]:
    """Have the workers of a cluster analyse experiments.

    Parameters
    ----------
    analyse : callable
        Analyses one experiment, and can be sent to a worker.
    experiments : sequence of Experiment
        The experiments.
    scheduler : str
        Address of the scheduler, such as ``tcp://10.0.0.1:8786``.
    is_cancelled : callable
        Checked after every experiment. What the workers are doing then is not stopped.

    Yields
    ------
    Outcome
        In the order in which they come. An experiment whose worker died has failed.

    Raises
    ------
    ConfigError
        If Dask's scheduler package is missing, or no scheduler answers.
    Cancelled
        If `is_cancelled` returned True.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise ConfigError(
            "a cluster needs more packages: pip install 'napari-vit-tfm[cluster]'"
        ) from error
    try:
        client = Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=_PATIENCE, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{scheduler}: no scheduler answers there ({error})"
        ) from error
    with client:
        running = {client.submit(analyse, one, pure=False): one for one in experiments}
        for future in as_completed(running, loop=client.loop):  # type: ignore[no-untyped-call]
            yield outcome_of(future, running[future])
            if is_cancelled():
                raise Cancelled
