"""Pictures: that they show what they were given."""

import numpy as np
import pytest

from minivae import plotting

RNG = np.random.default_rng(0)
HISTORY = {
    name: list(np.linspace(9, 5, 20)) for name in ("loss", "recon_nll", "kl", "val_loss", "val_recon_nll", "val_kl")
}
HISTORY["epoch"] = list(range(1, 21))


def test_a_grid_holds_every_image_at_its_place():
    rows = [RNG.random((3, 6)), RNG.random((3, 6))]
    (axes,) = plotting.image_grid(rows, (2, 3), ["one", "two"]).axes
    picture = axes.images[0].get_array()
    assert picture.shape == (2 + 1 + 2, 3 * 3 + 2)
    np.testing.assert_array_equal(picture[:2, :3], rows[0][0].reshape(2, 3))
    np.testing.assert_array_equal(picture[3:, 8:], rows[1][2].reshape(2, 3))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]


def test_the_last_row_of_a_grid_may_be_short():
    (axes,) = plotting.image_samples(RNG.random((15, 4)), (2, 2)).axes
    assert axes.images[0].get_array().shape == (5, 35)


def test_loss_curves_have_one_panel_for_each_term_and_name_their_units():
    figure = plotting.loss_curve(HISTORY)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "reconstruction", "KL"]
    assert figure.axes[0].get_ylabel() == "nats per example"
    assert all(axes.get_xlabel() == "epoch" for axes in figure.axes)
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    without = {name: values for name, values in HISTORY.items() if not name.startswith("val_")}
    assert [len(axes.lines) for axes in plotting.loss_curve(without).axes] == [1, 1, 1]


def test_training_and_test_differ_in_more_than_colour():
    training, test = plotting.loss_curve(HISTORY).axes[0].lines
    assert training.get_linestyle() != test.get_linestyle()


def test_the_first_steep_epochs_do_not_flatten_the_rest():
    history = HISTORY | {"loss": [1e6, *HISTORY["loss"][1:]]}
    low, high = plotting.loss_curve(history).axes[0].get_ylim()
    assert low < 5
    assert high < 20


@pytest.mark.parametrize("n_columns", [1, 4, 13])
def test_tables_get_one_panel_for_each_of_the_first_twelve_columns(n_columns):
    x, names = RNG.random((30, n_columns)), [f"column {i}" for i in range(n_columns)]
    for figure in (plotting.table_reconstructions(x, x, names), plotting.table_samples(x, x, names)):
        assert [axes.get_title() for axes in figure.axes] == names[:12]


def test_a_constant_column_is_drawn_too(tmp_path):
    x = np.ones((30, 1))
    plotting.save(plotting.table_samples(x, x, ["constant"]), tmp_path / "constant.png")
    assert (tmp_path / "constant.png").stat().st_size > 1000
