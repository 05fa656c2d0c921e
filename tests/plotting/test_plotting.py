"""Pictures: that they show what they were given."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from minivae import plotting
from minivae.plotting import latent as latent_plots

RNG = np.random.default_rng(0)
TERMS = ("loss", "elbo", "recon_nll", "kl")  # in the order of the panels
HISTORY = {"epoch": list(range(1, 21))}
for i, term in enumerate(TERMS):
    way = np.linspace(-9, -5, 20) if term == "elbo" else np.linspace(9, 5, 20)
    HISTORY |= {term: list(way + i), f"val_{term}": list(way + i + 0.5)}


def test_a_grid_holds_every_image_at_its_place():
    rows = [RNG.random((3, 6)), RNG.random((3, 6))]
    (axes,) = plotting.image_grid(rows, (2, 3), ["one", "two"]).axes
    picture = axes.images[0].get_array()
    assert picture.shape == (2 + 1 + 2, 3 * 3 + 2)
    np.testing.assert_array_equal(picture[:2, :3], rows[0][0].reshape(2, 3))
    np.testing.assert_array_equal(picture[3:, 8:], rows[1][2].reshape(2, 3))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]


def shade(axes, value):
    """How bright matplotlib draws a value: 1 is white."""
    image = axes.images[0]
    return float(np.mean(image.cmap(image.norm(value))[:3]))


def grids(limits):
    """Every picture of images there is, as its axes."""
    x = np.linspace(*limits, 9 * 4).reshape(9, 4)
    return [
        figure.axes[0]
        for figure in (
            plotting.image_grid([x], (2, 2), limits=limits),
            plotting.image_samples(x, (2, 2), limits),
            plotting.image_reconstructions(x, x, (2, 2), limits),
            latent_plots.manifold_images(x, (2, 2), np.array([0.1, 0.5, 0.9]), ["z_0", "z_1"], limits),
            latent_plots.interpolation_images(x.reshape(3, 3, 4), (2, 2), x[:6].reshape(3, 2, 4), limits),
        )
    ]


@pytest.mark.parametrize("limits", [(0, 1), (0, 255), (-3, 2), (0, 65535)])
def test_images_are_black_on_white_over_the_whole_range_of_their_values(limits):
    for axes in grids(limits):
        assert axes.images[0].get_clim() == limits
        assert [shade(axes, value) for value in limits] == [1, 0]
        assert shade(axes, np.mean(limits)) == pytest.approx(0.5, abs=0.02)
        picture = axes.images[0].get_array()
        assert (picture.min(), picture.max()) == limits  # nothing is clipped, and the gaps are white
        assert axes.images[0].origin == "upper"


def test_the_first_row_holds_the_originals_and_says_so():
    x, reconstruction = np.zeros((15, 4)), np.ones((15, 4))
    (axes,) = plotting.image_reconstructions(x, reconstruction, (2, 2)).axes
    picture, rows = axes.images[0].get_array(), axes.get_yticks()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["original", "reconstruction"] * 2
    assert [picture[round(row), 0] for row in rows] == [0, 1, 0, 1]


def test_the_axes_and_the_histograms_say_what_they_show():
    x, samples = RNG.random((50, 2)), 5 + RNG.random((80, 2))
    figure = plotting.table_reconstructions(x, samples[:50], ["a", "b"])
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("original", "reconstruction")
    for i, axes in enumerate(figure.axes):
        both = np.r_[x[:, i], samples[:50, i]]
        ends = [both.min(), both.max()]
        np.testing.assert_array_equal(axes.lines[1].get_xydata(), np.c_[ends, ends])  # the diagonal
    figure = plotting.table_samples(x, samples, ["a", "b"])
    assert figure.get_supylabel() == "density"
    for axes in figure.axes:
        where = {patch.get_label(): np.average(patch.get_data().edges[:-1], weights=patch.get_data().values)
                 for patch in axes.patches}  # fmt: skip
        assert where["data"] < 1 < 5 - 0.5 < where["draws of x"]
        for patch in axes.patches:
            heights, edges, _ = patch.get_data()
            assert np.sum(heights * np.diff(edges)) == pytest.approx(1)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["data", "draws of x"]
    data, draws = legend.legend_handles  # a filled patch and a line
    assert {patch.get_label(): patch.get_fill() for patch in axes.patches} == {"data": True, "draws of x": False}
    assert data.get_facecolor() == axes.patches[0].get_facecolor()
    assert to_rgba(draws.get_color()) == axes.patches[1].get_edgecolor()


def test_a_plane_has_the_names_of_its_axes_and_every_point():
    x, samples = RNG.random((50, 2)), RNG.random((80, 2))
    (axes,) = plotting.plane_samples(x, samples, ["a", "b"]).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a", "b")
    for line, label, points in zip(axes.lines, ("data", "samples"), (x, samples), strict=True):
        assert line.get_label() == label
        np.testing.assert_array_equal(line.get_xydata(), points)


def test_the_last_row_of_a_grid_may_be_short():
    (axes,) = plotting.image_samples(RNG.random((15, 4)), (2, 2)).axes
    assert axes.images[0].get_array().shape == (5, 35)


def test_narrow_images_get_room_for_their_label():
    assert all(side >= 0.2 for shape in ((1, 100), (100, 1)) for side in plotting.inches_of(shape))
    assert plotting.inches_of((28, 28)) == (0.7, 0.7)


def test_the_four_panels_show_the_terms_of_the_history_for_training_and_test():
    panels, titles = plotting.loss_curve(HISTORY).axes, ("loss", "ELBO", "reconstruction", "KL")
    for axes, term, title in zip(panels, TERMS, titles, strict=True):
        training, test = axes.lines
        np.testing.assert_array_equal(training.get_xydata(), np.column_stack([HISTORY["epoch"], HISTORY[term]]))
        np.testing.assert_array_equal(test.get_ydata(), HISTORY[f"val_{term}"])
        assert [training.get_label(), test.get_label()] == ["training", "test"]
        assert training.get_linestyle() != test.get_linestyle()  # more than colour
        assert axes.get_title().startswith(title)
    assert panels[0].get_ylabel() == panels[2].get_ylabel() == "nats per example"
    assert panels[2].get_xlabel() == panels[3].get_xlabel() == "epoch"


def test_without_a_test_set_there_is_one_curve_in_each_panel():
    without = {name: values for name, values in HISTORY.items() if not name.startswith("val_")}
    assert [len(axes.lines) for axes in plotting.loss_curve(without).axes] == [1, 1, 1, 1]


def test_the_second_curve_has_the_name_of_its_data():
    assert plotting.loss_curve(HISTORY, None, "validation").axes[0].lines[1].get_label() == "validation"


def test_the_best_epoch_is_marked_in_every_panel_if_it_is_one_of_the_history():
    for axes in plotting.loss_curve(HISTORY, best_epoch=7).axes:
        assert list(axes.lines[-1].get_xdata()) == [7, 7]
        assert axes.lines[-1].get_label() == "best epoch"
    for elsewhere in (None, 0, 21):
        assert [len(axes.lines) for axes in plotting.loss_curve(HISTORY, elsewhere).axes] == [2, 2, 2, 2]


def test_the_first_steep_epochs_do_not_flatten_the_rest():
    history = HISTORY | {"loss": [1e6, *HISTORY["loss"][1:]], "elbo": [-1e6, *HISTORY["elbo"][1:]]}
    loss, elbo, *_ = plotting.loss_curve(history).axes
    low, high = loss.get_ylim()
    assert low < 5
    assert 9 < high < 20
    low, high = elbo.get_ylim()
    assert -20 < low < -7
    assert high > -3.5


def test_the_best_values_stay_in_the_frame_though_they_came_first():
    history = HISTORY | {"val_loss": list(np.linspace(-10, 30, 20)), "val_elbo": list(np.linspace(10, -30, 20))}
    loss, elbo, *_ = plotting.loss_curve(history).axes
    assert loss.get_ylim()[0] < -10
    assert elbo.get_ylim()[1] > 10


@pytest.mark.parametrize(("n_columns", "title"), [(1, ""), (4, ""), (12, ""), (13, "12 of 13 columns")])
def test_tables_get_a_panel_for_each_of_twelve_columns_and_a_title_if_there_are_more(n_columns, title):
    x, names = RNG.random((30, n_columns)), [f"column {i}" for i in range(n_columns)]
    for figure in (plotting.table_reconstructions(x, x, names), plotting.table_samples(x, x, names)):
        assert [axes.get_title() for axes in figure.axes] == names[:12]
        assert figure.get_suptitle() == title
    assert plotting.column_panels(["a"] * 13, "a title")[0].get_suptitle() == "a title; 12 of 13 columns"


def test_a_reconstruction_is_drawn_against_its_original():
    x, reconstruction = RNG.random((30, 2)), RNG.random((30, 2))
    for i, axes in enumerate(plotting.table_reconstructions(x, reconstruction, ["a", "b"]).axes):
        np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.column_stack([x[:, i], reconstruction[:, i]]))


def test_samples_are_drawn_over_the_data_with_the_same_bins():
    (axes,) = plotting.table_samples(RNG.random((50, 1)), 3 + RNG.random((80, 1)), ["a"]).axes
    (data, edges, _), (samples, same_edges, _) = (patch.get_data() for patch in axes.patches)
    np.testing.assert_array_equal(edges, same_edges)
    assert data[:5].all()
    assert not data[-5:].any()
    assert samples[-5:].all()
    assert not samples[:5].any()


NEIGHBOURS = np.array([[1e9], [np.nextafter(np.float32(1e9), np.float32(2e9))]], dtype=np.float32)


@pytest.mark.parametrize("x", [np.ones((30, 1)), NEIGHBOURS], ids=["constant", "two neighbours of float32"])
@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_columns_without_spread_are_drawn_and_saved_in_the_format_of_the_ending(x, ending, start, tmp_path):
    plotting.save(plotting.table_samples(x, x, ["a"]), tmp_path / f"figure.{ending}")
    assert (tmp_path / f"figure.{ending}").read_bytes().startswith(start)


def test_names_with_signs_of_formulas_are_drawn_as_they_are(tmp_path):
    names = ["$^$", "_", "\\frac{", "c" * 80]
    figure = plotting.table_reconstructions(np.ones((2, 4)), np.ones((2, 4)), names)
    plotting.named_legend(figure, figure.axes[0].lines, names[:2])
    plotting.save(figure, tmp_path / "names.png")
    assert [axes.get_title() for axes in figure.axes] == [*names[:3], "c" * 27 + "..."]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names[:2]


@pytest.mark.parametrize(("n", "most"), [(1, 5), (5, 5), (5000, 7)])
def test_thinning_spreads_over_all_and_is_the_same_every_time(n, most):
    rows = plotting.thinned(n, most)
    assert len(rows) == len(set(rows)) == min(n, most)
    assert rows[0] == 0
    assert rows[-1] == n - 1


def test_no_two_of_twelve_looks_are_alike_in_grey_and_no_two_of_ten_in_colour():
    assert len({plotting.look(i)[2] for i in range(12)}) == 12
    assert len({plotting.look(i)[0] for i in range(10)}) == 10
