"""Pictures of a latent space: that every artist sits where its numbers say."""

import numpy as np
import pytest

from minivae import plotting
from minivae.plotting import latent as latent_plots

RNG = np.random.default_rng(0)
QUANTILES = np.array([0.1, 0.5, 0.9])
KL = np.array([0.1, 2.0, 0.0, 1.9])


# -- the scatter -------------------------------------------------------------------------------------------


def scatter(n=40, k=4, n_classes=0, **arguments):
    mu = RNG.standard_normal((n, k))
    labels = np.arange(n) % n_classes if n_classes else None
    (axes,) = latent_plots.latent_scatter(mu, labels, **arguments).axes
    return mu, labels, axes


def test_the_two_dimensions_with_the_largest_kl_are_drawn_and_named_by_their_index():
    mu, _, axes = scatter(kl_per_dimension=KL)
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), mu[:, [1, 3]])
    assert axes.get_xlabel() == "z_1 (KL 2.00 nats)"
    assert axes.get_ylabel() == "z_3 (KL 1.90 nats)"
    assert "the two most used of 4 latent dimensions" in axes.get_title()


def test_without_kl_the_two_dimensions_that_vary_most_are_drawn():
    mu = RNG.standard_normal((40, 4)) * [1, 3, 0.1, 2]
    (axes,) = latent_plots.latent_scatter(mu).axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), mu[:, [1, 3]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z_1", "z_3")


def test_every_class_has_its_points_and_a_digit_is_drawn_as_itself():
    mu, labels, axes = scatter(k=2, n_classes=10)
    for digit, line in enumerate(axes.lines):
        np.testing.assert_array_equal(line.get_xydata(), mu[labels == digit])
        assert str(digit) in line.get_marker()
    assert axes.get_legend() is None


@pytest.mark.parametrize("names", [("setosa", "_b", "$^$"), tuple("$_\\")])
def test_other_classes_differ_in_shape_and_are_named_in_a_legend(names, tmp_path):
    _, _, axes = scatter(n_classes=3, label_names=names)
    assert len({line.get_marker() for line in axes.lines}) == 3
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(names)
    plotting.save(axes.figure, tmp_path / "latent.png")  # none of the names is read as a formula


def test_labels_without_a_name_are_called_by_their_number():
    assert latent_plots.class_name(1, ("a", "b")) == "b"
    assert latent_plots.class_name(2, ("a", "b")) == "2"
    assert latent_plots.class_name(-1, ("a", "b")) == "-1"


def test_more_than_twelve_classes_are_not_marked_and_the_title_says_so():
    assert len(scatter(n_classes=12)[2].lines) == 12
    mu, _, axes = scatter(k=2, n_classes=13)
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), mu)
    assert axes.get_title().endswith("13 classes: too many to mark")


@pytest.mark.parametrize("n_classes", [0, 1])
def test_without_classes_there_is_one_colour_and_no_legend(n_classes):
    _, _, axes = scatter(n_classes=n_classes)
    assert [line.get_marker() for line in axes.lines] == ["o"]
    assert axes.get_legend() is None
    assert "classes" not in axes.get_title()


def test_many_examples_are_thinned_and_the_title_says_so():
    _, _, axes = scatter(n=5000, n_classes=2)
    assert sum(len(line.get_xdata()) for line in axes.lines) == 2000
    assert "2000 examples (of 5000)" in axes.get_title()


@pytest.mark.parametrize("k", [1, 2])
def test_a_collapsed_dimension_is_drawn_on_the_scale_of_the_prior(k, tmp_path):
    figure = latent_plots.latent_scatter(np.full((1, k), 1e-6))
    plotting.save(figure, tmp_path / "latent.png")
    low, high = figure.axes[0].get_xlim()
    assert low <= -2
    assert high >= 2
    assert k == 1 or figure.axes[0].get_aspect() == 1


def test_one_dimension_is_drawn_with_a_line_for_each_class(tmp_path):
    mu, labels, axes = scatter(k=1, n_classes=3, label_names=("a", "b", "$^$"), kl_per_dimension=np.array([0.5]))
    plotting.save(axes.figure, tmp_path / "latent.png")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "$^$"]
    assert axes.get_xlabel() == "z_0 (KL 0.50 nats)"
    for i, line in enumerate(axes.lines):
        x, y = line.get_data()
        np.testing.assert_array_equal(x, mu[labels == i, 0])
        assert (abs(y - i) < 0.5).all()
        assert len(set(y)) == len(y)


# -- the bars ----------------------------------------------------------------------------------------------


def test_bars_are_sorted_carry_their_index_and_show_which_are_active():
    (axes,) = latent_plots.kl_bars(KL, np.array([False, True, False, True])).axes
    assert [bar.get_height() for bar in axes.patches] == [2.0, 1.9, 0.1, 0.0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "3", "0", "2"]
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, False, True, True]
    assert axes.get_title() == "2 of 4 dimensions active, 4.00 nats in all"
    assert axes.get_ylabel() == "KL, nats per example"
    legend = axes.get_legend()
    names = ["active (variance of the posterior mean > 0.01)", "inactive"]
    assert [text.get_text() for text in legend.get_texts()] == names
    assert [bool(patch.get_hatch()) for patch in legend.get_patches()] == [False, True]


def test_next_to_nothing_is_drawn_small():
    (axes,) = latent_plots.kl_bars(np.zeros(3), np.zeros(3, bool)).axes
    assert axes.get_ylim() == (0, 0.1)


@pytest.mark.parametrize(("k", "n_labels", "n_bars"), [(50, 50, 50), (51, 0, 51), (1000, 0, 200)])
def test_many_bars_have_no_index_and_very_many_are_not_all_drawn(k, n_labels, n_bars):
    kl = np.arange(float(k))
    (axes,) = latent_plots.kl_bars(kl, kl > 0).axes
    assert (len(axes.get_xticklabels()), len(axes.patches)) == (n_labels, n_bars)
    assert axes.get_title() == f"{k - 1} of {k} dimensions active, {kl.sum():.2f} nats in all"


# -- the manifold ------------------------------------------------------------------------------------------


def ticks(axis):
    return dict(zip((label.get_text() for label in axis.get_ticklabels()), axis.get_ticklocs(), strict=True))


def test_an_image_of_the_manifold_lies_at_its_quantiles_with_the_second_dimension_upwards():
    images = np.arange(9.0)[:, None] * np.ones(2 * 4)  # image i * 3 + j: second dimension i, first dimension j
    (axes,) = latent_plots.manifold_images(images, (2, 4), QUANTILES, ["z_3", "z_5"], (0, 8)).axes
    picture = axes.images[0].get_array()
    x, y = ticks(axes.xaxis), ticks(axes.yaxis)
    for i, below in ((0, "0.1"), (2, "0.9")):
        for j, left in ((0, "0.1"), (2, "0.9")):
            assert picture[int(y[below]), int(x[left])] == i * 3 + j
    assert y["0.9"] < y["0.1"]  # in an image, small is up
    assert axes.get_xlabel() == "z_3, quantile of the prior"
    assert axes.get_ylabel() == "z_5, quantile of the prior"


def test_images_over_one_dimension_lie_in_one_row():
    images = np.arange(3.0)[:, None] * np.ones(8)
    (axes,) = latent_plots.manifold_images(images, (2, 4), QUANTILES, ["z_0"], title="a title").axes
    picture = axes.images[0].get_array()
    assert picture.shape == (2, 3 * 4 + 2)
    assert [picture[0, int(place)] for place in ticks(axes.xaxis).values()] == [0, 2]
    assert not ticks(axes.yaxis)
    assert axes.get_title() == "a title"


def test_a_map_holds_each_value_at_its_quantiles():
    values = np.column_stack([np.arange(9.0), np.full(9, 7.0)])
    figure = latent_plots.manifold_tables(values, ["a", "constant"], QUANTILES, ["z_3", "z_5"], "a title")
    (image,) = figure.axes[0].images
    np.testing.assert_array_equal(image.get_array(), np.arange(9).reshape(3, 3))
    assert image.origin == "lower"  # the second dimension grows upwards
    np.testing.assert_allclose(image.get_extent(), [-0.1, 1.1, -0.1, 1.1])  # a cell is centred on its quantiles
    np.testing.assert_array_equal(figure.axes[0].get_xticks(), QUANTILES)
    np.testing.assert_array_equal(figure.axes[0].get_yticks(), QUANTILES)
    assert len(figure.axes) == 4  # each map has a scale of its own
    assert figure.get_supxlabel() == "z_3, quantile of the prior"
    assert figure.get_supylabel() == "z_5\nquantile of the prior"
    assert figure.get_suptitle() == "a title"


def test_a_table_over_one_dimension_is_a_curve():
    values = RNG.random((3, 13))
    figure = latent_plots.manifold_tables(values, ["a"] * 13, QUANTILES, ["z_0"])
    for i, axes in enumerate(figure.axes):
        np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.column_stack([QUANTILES, values[:, i]]))
    assert figure.get_suptitle() == "12 of 13 columns"
    assert figure.get_supylabel() == "mean of p(x|z)"


def test_the_leading_dimensions_are_two_in_their_own_order():
    assert latent_plots.leading(KL).tolist() == [1, 3]
    assert latent_plots.leading(KL[::-1]).tolist() == [0, 2]
    assert latent_plots.leading(np.zeros(5)).tolist() == [0, 1]
    assert latent_plots.leading(np.zeros(1)).tolist() == [0]


# -- interpolation -----------------------------------------------------------------------------------------


def test_an_interpolation_has_its_originals_outside_apart_and_named():
    rows = np.array([[1.0, 2, 3], [4, 5, 6]])[..., None] * np.ones(4)  # 2 pairs, 3 steps, 2 x 2 pixels
    ends = np.array([[10.0, 11], [12, 13]])[..., None] * np.ones(4)
    (axes,) = latent_plots.interpolation_images(rows, (2, 2), ends, (-1, 13)).axes
    picture = axes.images[0].get_array()
    places = axes.get_xticks()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["original", "t = 0", "", "t = 1", "original"]
    assert picture[0, places.astype(int)].tolist() == [10, 1, 2, 3, 11]
    assert picture[3, places.astype(int)].tolist() == [12, 4, 5, 6, 13]
    assert places[1] - places[0] > places[2] - places[1]
    assert (picture[2] == -1).all()  # the gap between the rows is white


def test_the_columns_of_an_interpolation_are_lines_that_differ_in_more_than_colour():
    values, ends = RNG.random((3, 5, 2)), RNG.random((3, 2, 2))
    figure = latent_plots.interpolation_tables(values, ["a", "b"], ends, ["one", "two", "three"])
    for i, axes in enumerate(figure.axes):
        ways, points = axes.lines[::2], axes.lines[1::2]
        for j in range(3):
            np.testing.assert_array_equal(
                ways[j].get_xydata(), np.column_stack([np.linspace(0, 1, 5), values[j, :, i]])
            )
            np.testing.assert_array_equal(points[j].get_xydata(), np.column_stack([[0, 1], ends[j, :, i]]))
        assert len({way.get_linestyle() for way in ways}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two", "three"]
