"""The pictures of a run folder: what the functions of plotting need, asked of a model.

loss.png             the curves                      latent.png    the test examples in latent space
reconstructions.png  test examples, decoded again    manifold.png  the plane of the two dimensions that say most
samples.png          new data from the prior         kl.png        what each latent dimension carries
interpolations.png   from one example to another
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minivae import evaluation, plotting
from minivae.datasets import Dataset
from minivae.gan.gan import GAN
from minivae.model.vae import VAE
from minivae.plotting import latent as latent_figures
from minivae.runs.identity import shown_range
from minivae.system.tensorfile import in_one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("minivae")
LOSS = "loss.png"
EXAMPLES = 5000  # test examples in the pictures of the latent space
IMAGES = 24  # in a picture of images
ROWS = 1000  # samples of a table
PAIRS, PAIRS_OF_A_TABLE, STEPS = 6, 3, 9
QUANTILES = np.linspace(0.05, 0.95, 13)  # of the prior, on the axes of the manifold


@dataclass(frozen=True)
class Scene:
    """A model and what the pictures show of it.

    ``rows`` (n,) of the N test examples are shown: ``x`` (n, D), their classes ``labels`` (n,) and posterior means
    ``mu_of_x`` (n, K). ``mu`` (N, K) are those of all; ``kl`` (K,) in nats and ``active`` (K,) are of the latents.
    Of a conditional model ``mu_of_x`` is [mu | c], (n, K + C).
    """

    vae: VAE
    data: Dataset
    rows: np.ndarray
    x: np.ndarray
    labels: np.ndarray | None
    mu_of_x: np.ndarray
    mu: np.ndarray
    kl: np.ndarray
    active: np.ndarray

    @classmethod
    def of(cls, vae: VAE, data: Dataset, mu: np.ndarray, logvar: np.ndarray) -> Scene:
        """At most 5000 test examples; what is said of latent dimensions comes from all of them.

        ``mu``, ``logvar`` (N, K) are the posteriors of ``data.test``; of a conditional model [mu | c] and logvar.
        """
        rows = plotting.thinned(len(data.test), EXAMPLES)
        labels = None if data.test_labels is None else data.test_labels[rows]
        mu_of_x, mu = mu[rows], mu[:, : vae.latent_dim]
        kl = evaluation.kl_of_columns(vae.kernels, mu, logvar)
        active = evaluation.activity(mu, evaluation.ACTIVE).active
        return cls(vae, data, rows, data.test[rows], labels, mu_of_x, mu, kl, active)

    @property
    def columns(self) -> Sequence[str]:
        """The names of the columns, made up where they have none."""
        return self.data.columns or [f"column {i}" for i in range(self.vae.input_dim)]


def draw(
    folder: Path,
    vae: VAE,
    data: Dataset,
    mu: np.ndarray,
    logvar: np.ndarray,
    history: Mapping[str, Sequence[float]],
    best_epoch: int | None = None,
) -> list[str]:
    """Draw all pictures of a run into its folder, in the data's own units.

    Parameters
    ----------
    folder : Path
    vae : VAE
    data : Dataset
        As the model was shown them: binarised, if it was trained on that.
    mu, logvar : ndarray of shape (N, K)
        The posteriors of ``data.test``; of a conditional model [mu | c], (N, K + C), and logvar.
    history : mapping of str to sequence of float
        As :func:`minivae.fit` returns it. Without epochs there are no curves, and ``loss.png`` is left out.
    best_epoch : int, optional
        The epoch whose parameters early stopping has put back; its second curve is that of a validation set then.

    Returns
    -------
    names : list of str
        The files that were written.
    """
    scene = Scene.of(vae, data, mu, logvar)
    held_out = "test" if best_epoch is None else "validation"

    def curves() -> Figure:
        figure = plotting.loss_curve(history, best_epoch, held_out)
        if vae.objective != "elbo":
            figure.axes[0].set_title(f"loss = -bound ({vae.objective}, draws {vae.draws})", fontsize=10)
        elif vae.free_bits:
            figure.axes[0].set_title(f"loss, at least {vae.free_bits:g} nats of KL a dimension", fontsize=10)
        return figure

    of_loss = {LOSS: curves} if history.get("epoch") else {}
    return draw_each(folder, of_loss | {name: partial(picture, scene) for name, picture in OF_A_MODEL.items()})


def draw_each(folder: Path, drawn: Mapping[str, Callable[[], Figure]]) -> list[str]:
    """Draw pictures into a folder, by their names; returns those that could be drawn."""
    names = []
    with plotting.own_settings():
        for name, picture in drawn.items():
            try:
                plotting.save(picture(), folder / name)
                names.append(name)
            except Exception as error:  # a picture is no reason to lose a training
                log.info("note        %s could not be drawn: %s", name, in_one_line(error))
    return names


def draw_game(folder: Path, gan: GAN, data: Dataset, history: Mapping[str, Sequence[float]]) -> None:
    """The pictures of a GAN's run: its curves, and samples as images, beside the data in the plane, or by column."""

    def samples() -> Figure:
        if data.image_shape:
            return plotting.image_samples(gan.sample(IMAGES), data.image_shape, shown_range(data))
        x = data.train[plotting.thinned(len(data.train), ROWS)]
        picture = plotting.plane_samples if gan.data_dim == 2 else plotting.table_samples
        return picture(x, gan.sample(len(x)), data.columns or [f"column {i}" for i in range(gan.data_dim)])

    draw_each(folder, {LOSS: partial(plotting.game_curves, history), "samples.png": samples})


def reconstructions(scene: Scene) -> Figure:
    """Test examples and what the model makes of them."""
    if not scene.data.image_shape:
        return plotting.table_reconstructions(scene.x, scene.vae.decode(scene.mu_of_x), scene.columns)
    rows = plotting.thinned(len(scene.x), IMAGES)
    x, reconstructed = scene.x[rows], scene.vae.decode(scene.mu_of_x[rows])
    return plotting.image_reconstructions(x, reconstructed, scene.data.image_shape, shown_range(scene.data))


def samples(scene: Scene) -> Figure:
    """The means of new images, or the distribution of new rows of a table, noise and all."""
    if scene.data.image_shape and scene.vae.classes:
        return samples_by_class(scene, scene.data.image_shape)
    if scene.data.image_shape:
        images = scene.vae.sample(IMAGES)
        figure = plotting.image_samples(images, scene.data.image_shape, shown_range(scene.data))
        figure.axes[0].set_title("means of p(x|z), z drawn from the prior", fontsize=9)
        return figure
    given = np.resize(scene.mu_of_x[:, scene.vae.latent_dim :], (ROWS, scene.vae.condition_dim))
    drawn = scene.vae.sample(ROWS, draw=True, condition=given if scene.vae.classes else None)
    return plotting.table_samples(scene.data.train, drawn, scene.columns)


def samples_by_class(scene: Scene, image_shape: tuple[int, int]) -> Figure:
    """A row of images for each class of a conditional model; those in a column share their z."""
    given = np.eye(len(scene.vae.classes))[:IMAGES]
    rows = [scene.vae.sample(plotting.COLUMNS_SHOWN, condition=condition) for condition in given]
    names = [plotting.shorten(name, 16) for name in scene.vae.classes[:IMAGES]]
    figure = plotting.image_grid(rows, image_shape, names, shown_range(scene.data))
    figure.axes[0].set_title("means of p(x|z, c): a class in each row, a z from the prior in each column", fontsize=9)
    return figure


def interpolations(scene: Scene) -> Figure:
    """Straight lines in latent space between the posterior means of test examples, decoded."""
    pairs = pairs_of(len(scene.x), scene.labels, PAIRS if scene.data.image_shape else PAIRS_OF_A_TABLE)
    ends = scene.x[pairs]
    mu = scene.mu_of_x[pairs][:, :, None]
    t = np.linspace(0, 1, STEPS)[:, None]
    z = (1 - t) * mu[:, 0] + t * mu[:, 1]
    decoded = scene.vae.decode(z.reshape(-1, z.shape[2])).reshape(len(pairs), STEPS, -1)
    if scene.data.image_shape:
        figure = latent_figures.interpolation_images(decoded, scene.data.image_shape, ends, shown_range(scene.data))
    else:
        names = [" to ".join(name_of(scene, row) for row in pair) for pair in pairs]
        figure = latent_figures.interpolation_tables(decoded, scene.columns, ends, names)
    if scene.vae.classes:
        figure.suptitle("the condition goes from one class to the other as z does", fontsize=9)
    return figure


def pairs_of(n: int, labels: np.ndarray | None, most: int) -> np.ndarray:
    """The indices (pairs, 2) of n examples to go between, of different classes where there are such.

    The first example of each class, then the second of each and so on: neighbours in that order make a pair.
    """
    classes = np.zeros(n, int) if labels is None else np.unique(labels, return_inverse=True)[1]
    by_class = np.argsort(classes, kind="stable")
    turn = np.empty(n, int)
    turn[by_class] = np.arange(n) - np.searchsorted(classes[by_class], classes[by_class])
    order = np.resize(np.lexsort((classes, turn)), max(2, n // 2 * 2))  # an example alone goes to itself
    pairs = order.reshape(-1, 2)
    differ = classes[pairs[:, 0]] != classes[pairs[:, 1]]
    return (pairs[differ] if differ.any() else pairs)[:most]


def name_of(scene: Scene, row: int) -> str:
    """The class of a test example, or its number."""
    if scene.labels is None:
        return f"test row {scene.rows[row]}"
    return latent_figures.class_name(scene.labels[row], scene.data.label_names)


def latent(scene: Scene) -> Figure:
    """The posterior means of the test examples, by class."""
    return latent_figures.latent_scatter(scene.mu, scene.data.test_labels, scene.data.label_names, scene.kl)


def manifold(scene: Scene) -> Figure:
    """The plane of the two dimensions with the largest KL, through the inverse of the prior's distribution."""
    from scipy.special import ndtri

    dims = latent_figures.leading(scene.kl)
    plane = np.meshgrid(*[ndtri(QUANTILES)] * len(dims))  # the first dimension changes fastest, as images are numbered
    k = scene.vae.latent_dim
    z = np.zeros((plane[0].size, k + scene.vae.condition_dim))
    z[:, dims], z[:, k : k + 1] = np.stack([axis.ravel() for axis in plane], axis=1), 1  # the first class, if any
    values, names = scene.vae.decode(z), [latent_figures.dimension_name(i, scene.kl) for i in dims]
    title = f"the two of {k} latent dimensions with the largest KL, the others at 0" if k > 2 else ""
    if scene.vae.classes:
        title = f"{title}; class {plotting.shorten(scene.vae.classes[0])}".removeprefix("; ").replace("$", r"\$")
    if scene.data.image_shape:
        limits = shown_range(scene.data)
        return latent_figures.manifold_images(values, scene.data.image_shape, QUANTILES, names, limits, title)
    return latent_figures.manifold_tables(values, scene.columns, QUANTILES, names, title)


def kl(scene: Scene) -> Figure:
    """What each latent dimension carries, and which are in use."""
    return latent_figures.kl_bars(scene.kl, scene.active)


OF_A_MODEL: dict[str, Callable[[Scene], Figure]] = {
    "reconstructions.png": reconstructions,
    "samples.png": samples,
    "interpolations.png": interpolations,
    "latent.png": latent,
    "manifold.png": manifold,
    "kl.png": kl,
}
PICTURES = (LOSS, *OF_A_MODEL)
