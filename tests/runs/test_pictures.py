"""The pictures of a run: that they show the model's own numbers, in the data's units, for every kind of data."""

import numpy as np
import pytest
from scipy.stats import norm

from minivae import GAN, VAE, Scaling, evaluation
from minivae.datasets import Dataset
from minivae.runs import pictures

RNG = np.random.default_rng(0)
HISTORY = {
    name: [3.0, 2.0]
    for part in ("", "val_")
    for name in (f"{part}{term}" for term in ("loss", "elbo", "recon_nll", "kl"))
} | {"epoch": [1, 2], "learning_rate": [1e-3, 1e-3], "penalty": [0.0, 0.0]}


def table(n_test=20, width=3, labelled=True):
    x = RNG.normal(50, 10, (n_test + 60, width))
    labels = np.arange(len(x)) % 3 if labelled else None
    parts = (None, None) if labels is None else (labels[:60], labels[60:])
    return Dataset("table", x[:60], x[60:], *parts, label_names=("ape", "bee", "cat") if labelled else ())


def images(n_test=30):
    x = RNG.random((60 + n_test, 12)).astype(np.float32)
    labels = np.arange(len(x)) % 10
    return Dataset("images", x[:60], x[60:], labels[:60], labels[60:], image_shape=(4, 3))


def model(data, latent_dim):
    scaling = Scaling() if data.image_shape else Scaling.of("standard", data.train)
    likelihood = "bernoulli" if data.image_shape else "gaussian"
    return VAE(data.train.shape[1], (8,), latent_dim, likelihood=likelihood, scaling=scaling)


def scene(data, latent_dim=4):
    """The scene of a model whose latent dimensions 2 and 3 carry the most."""
    vae = model(data, latent_dim)
    vae.parameters["encoder.mu.W"][:, 2:] *= 20
    return scene_of(vae, data)


def scene_of(vae, data):
    return pictures.Scene.of(vae, data, *vae.encode(data.test))


def draw(folder, vae, data, *rest, **more):
    return pictures.draw(folder, vae, data, *vae.encode(data.test), *rest, **more)


CONSTANT = Dataset("constant", np.ones((9, 2)), np.ones((1, 2)))
CASES = {
    "images": (images(), 4),
    "a table": (table(), 4),
    "one column, one test row, one dimension": (table(n_test=1, width=1), 1),
    "constant columns, one test row, no labels": (CONSTANT, 3),
}


@pytest.mark.parametrize("name", ["images", *(pytest.param(name, marks=pytest.mark.slow) for name in [*CASES][1:])])
@pytest.mark.filterwarnings("error", "ignore::minivae.GreyDataWarning")
def test_every_picture_of_every_kind_of_data_is_written(name, tmp_path):
    data, latent_dim = CASES[name]
    names = draw(tmp_path, model(data, latent_dim), data, HISTORY, best_epoch=2)
    assert tuple(names) == pictures.PICTURES
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names)


@pytest.mark.parametrize("history", [{}, {name: [] for name in HISTORY}])
def test_without_epochs_there_is_no_loss_curve(history, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "OF_A_MODEL", {"kl.png": pictures.kl})
    assert draw(tmp_path, model(CONSTANT, 2), CONSTANT, history) == ["kl.png"]


def test_the_best_epoch_reaches_the_curves(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(pictures.plotting, "loss_curve", lambda *arguments: seen.append(arguments[1:]))
    monkeypatch.setattr(pictures.plotting, "save", lambda figure, path: None)
    monkeypatch.setattr(pictures, "OF_A_MODEL", {})
    for best_epoch in (2, None):
        draw(tmp_path, model(CONSTANT, 2), CONSTANT, HISTORY, best_epoch)
    assert seen == [(2, "validation"), (None, "test")]


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ({}, "loss = reconstruction + beta KL"),
        ({"objective": "dreg", "draws": 3}, "loss = -bound (dreg, draws 3)"),
        ({"free_bits": 0.1}, "loss, at least 0.1 nats of KL a dimension"),
    ],
)
def test_the_curves_say_what_the_loss_is_made_of(options, title, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(pictures.plotting, "save", lambda figure, path: titles.append(figure.axes[0].get_title()))
    monkeypatch.setattr(pictures, "OF_A_MODEL", {})
    draw(tmp_path, VAE(12, (8,), 2, **options), images(), HISTORY)
    assert titles == [title]


def test_reconstructions_are_in_the_units_of_the_data():
    data = table()
    shown = scene(data)
    axes = pictures.reconstructions(shown).axes[0]
    assert axes.get_title() == "column 0"
    np.testing.assert_allclose(axes.lines[0].get_xdata(), data.test[:, 0])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), shown.vae.reconstruct(data.test)[:, 0])


def test_an_original_stands_above_its_reconstruction():
    data = images()
    shown = scene(data)
    picture = pictures.reconstructions(shown).axes[0].images[0].get_array()
    np.testing.assert_allclose(picture[:4, :3], data.test[0].reshape(4, 3))
    np.testing.assert_allclose(picture[5:9, :3], shown.vae.reconstruct(data.test[:1]).reshape(4, 3), rtol=1e-5)


def test_samples_are_drawn_from_the_prior_in_the_units_of_the_data():
    shown = scene(table())
    heights, edges, _ = pictures.samples(shown).axes[0].patches[1].get_data()
    draws = shown.vae.sample(1000, draw=True)[:, 0]
    np.testing.assert_allclose(heights, np.histogram(draws, edges, density=True)[0])
    shown = scene(images())
    picture = pictures.samples(shown).axes[0].images[0].get_array()
    np.testing.assert_allclose(picture[:4, :3], shown.vae.sample(1).reshape(4, 3), rtol=1e-6)


@pytest.mark.parametrize("name", ["reconstructions.png", "samples.png", "interpolations.png", "manifold.png", "gan"])
def test_every_picture_of_images_spans_the_range_of_their_values(name, monkeypatch):
    x = 255 * images().train
    data, drawn = Dataset("bright", x, x, image_shape=(4, 3)), {}
    monkeypatch.setattr(pictures, "draw_each", lambda folder, given: drawn.update(given))
    pictures.draw_game(None, GAN(12, (8,), 2), data, {})
    vae = VAE(12, (8,), 4, likelihood="gaussian", scaling=Scaling.of("standard", x))
    draw = drawn["samples.png"] if name == "gan" else lambda: pictures.OF_A_MODEL[name](scene_of(vae, data))
    assert {image.get_clim() for axes in draw().axes for image in axes.images} == {(x.min(), x.max())}


def test_an_interpolation_is_straight_in_latent_space_between_two_test_examples():
    data = images()
    shown = scene(data)
    axes = pictures.interpolations(shown).axes[0]
    picture, places = axes.images[0].get_array(), axes.get_xticks().astype(int)
    first, second = data.test[[0, 1]]
    np.testing.assert_allclose(picture[:4, places[0] - 1 : places[0] + 2], first.reshape(4, 3))
    np.testing.assert_allclose(picture[:4, places[-1] - 1 : places[-1] + 2], second.reshape(4, 3))
    mu, _ = shown.vae.encode(data.test[:2])
    for step, t in ((0, 0), (2, 0.25), (8, 1)):
        middle = places[1 + step]
        expected = shown.vae.decode(((1 - t) * mu[0] + t * mu[1])[None]).reshape(4, 3)
        np.testing.assert_allclose(picture[:4, middle - 1 : middle + 2], expected, rtol=1e-4)


def test_the_ways_through_a_table_are_named_by_their_classes_or_rows():
    for data, names in (
        (table(), ["ape to bee", "cat to ape", "bee to cat"]),
        (table(labelled=False), ["test row 0 to test row 1"]),
    ):
        figure = pictures.interpolations(scene(data))
        assert [text.get_text() for text in figure.legends[0].get_texts()][: len(names)] == names


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (None, [[0, 1], [2, 3]]),
        ([5, 5, 5, 9, 9], [[0, 3], [1, 4]]),
        ([3, 1, 1, 1, 1], [[1, 0]]),
        ([2, 2, 2, 2, 2], [[0, 1], [2, 3]]),
    ],
)
def test_pairs_are_of_different_classes_where_there_are_such(labels, pairs):
    assert pictures.pairs_of(5, None if labels is None else np.array(labels), 6).tolist() == pairs


def test_an_example_alone_is_its_own_pair():
    assert pictures.pairs_of(1, None, 6).tolist() == [[0, 0]]


def test_there_are_no_more_pairs_than_asked_for():
    assert len(pictures.pairs_of(100, np.arange(100) % 10, 6)) == 6


def test_the_scatter_shows_the_posterior_means_of_the_test_examples_by_class():
    data = table()
    shown = scene(data)
    (axes,) = pictures.latent(shown).axes
    mu, _ = shown.vae.encode(data.test)
    np.testing.assert_allclose(axes.lines[1].get_xydata(), mu[data.test_labels == 1][:, 2:])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ape", "bee", "cat"]
    assert axes.get_xlabel() == f"z_2 (KL {shown.kl[2]:.2f} nats)"


def test_the_manifold_decodes_quantiles_of_the_prior_in_the_leading_dimensions():
    shown = scene(table())
    figure = pictures.manifold(shown)
    decoded = figure.axes[0].images[0].get_array()
    for row, column in ((0, 0), (0, 12), (12, 0), (6, 9)):
        z = [0, 0, norm.ppf(0.05 + 0.075 * column), norm.ppf(0.05 + 0.075 * row)]
        np.testing.assert_allclose(decoded[row, column], shown.vae.decode([z])[0, 0], rtol=1e-5)
    assert figure.get_suptitle() == "the two of 4 latent dimensions with the largest KL, the others at 0"
    assert figure.get_supxlabel() == f"z_2 (KL {shown.kl[2]:.2f} nats), quantile of the prior"


def test_an_image_of_the_manifold_is_what_the_decoder_makes_of_its_place():
    shown = scene(images())
    (axes,) = pictures.manifold(shown).axes
    picture = axes.images[0].get_array()
    left_above = [[0, 0, norm.ppf(0.05), norm.ppf(0.95)]]
    np.testing.assert_allclose(picture[:4, :3], shown.vae.decode(left_above).reshape(4, 3), rtol=1e-4)


def test_two_dimensions_need_no_title():
    assert pictures.manifold(scene(table(), latent_dim=2)).get_suptitle() == ""


def test_the_bars_are_those_of_the_evaluation():
    shown = scene(table())
    (axes,) = pictures.kl(shown).axes
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], np.sort(shown.kl)[::-1])
    n_active = evaluation.active_units(shown.vae, shown.x).active.sum()
    assert axes.get_title().startswith(f"{n_active} of 4 dimensions active")


def test_the_scene_holds_no_more_test_examples_than_pictures_can_show(monkeypatch):
    monkeypatch.setattr(pictures, "EXAMPLES", 5)
    data = table()
    shown = scene_of(model(data, 2), data)
    np.testing.assert_array_equal(shown.x, data.test[[0, 4, 9, 14, 19]])
    np.testing.assert_array_equal(shown.labels, data.test_labels[[0, 4, 9, 14, 19]])
    assert pictures.name_of(scene_of(model(data, 2), table(labelled=False)), 1) == "test row 4"


@pytest.mark.parametrize(
    ("low", "high", "shown"), [(0, 1, (0, 1)), (0.2, 0.8, (0, 1)), (-1, 1, (-1, 1)), (0, 9, (0, 9))]
)
def test_pictures_span_the_unit_interval_or_the_range_of_the_data(low, high, shown):
    assert pictures.shown_range(Dataset("x", np.array([[low]]), np.array([[high]]))) == shown
