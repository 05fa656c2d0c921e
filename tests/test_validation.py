"""What the public functions refuse, and the sentence that says so."""

import numpy as np
import pytest
import scipy.sparse

from minivae import SGD, VAE, Adam, Categorical, DataError, Gaussian, Mixed, fit
from minivae.validation import check_matrix

GOOD = np.random.default_rng(0).random((6, 7))


def with_value(value):
    x = GOOD.copy()
    x[3, 2] = value
    return x


NOTHING = GOOD.copy()
NOTHING[3] = np.nan
BAD_DATA = {
    "nothing but nan": (NOTHING, DataError, "row 3 of X holds no value at all, only NaN"),
    "nan and inf": (with_value(np.inf) + NOTHING * 0, DataError, "row 3 of X holds no value"),
    "inf": (with_value(-np.inf), DataError, "contains infinity, first at row 3, column 2"),
    "wrong width": (GOOD[:, :5], DataError, "X has 5 features, but this model is expecting 7 features as input"),
    "one-dimensional": (GOOD[0], DataError, r"got shape \(7,\); for one example use X.reshape\(1, -1\)"),
    "three-dimensional": (GOOD[None], DataError, r"two dimensions \(examples, features\), got shape \(1, 6, 7\)"),
    "a number": (3.0, DataError, r"two dimensions \(examples, features\), got shape \(\)"),
    "no examples": (GOOD[:0], DataError, r"0 examples \(shape=\(0, 7\)\) while a minimum of 1 is required"),
    "no features": (GOOD[:, :0], DataError, r"0 feature\(s\) \(shape=\(6, 0\)\) while a minimum of 1 is required"),
    "complex": (GOOD + 1j, DataError, "Complex data not supported"),
    "objects": (np.array([[{}] * 7]), TypeError, "Python objects that are not numbers: .*argument must be a string or"),
    "text": (np.array([["a"] * 7]), TypeError, "must hold numbers, got dtype <U1"),
    "ragged": ([[1.0, 2.0], [3.0]], DataError, "not a rectangular array of numbers"),
    "sparse": (scipy.sparse.csr_matrix(GOOD), TypeError, r"sparse matrix, but a dense array is required"),
    "beyond float32": (with_value(1e39), DataError, r"holds 1e\+39, beyond the range of float32"),
    "beyond float64": (GOOD.astype(np.longdouble) * np.longdouble("1e4000"), DataError, "infinity|beyond"),
}  # fmt: skip


@pytest.mark.parametrize(("x", "error", "message"), BAD_DATA.values(), ids=BAD_DATA)
@pytest.mark.parametrize("method", ["loss", "loss_and_gradients", "encode", "reconstruct", "log_likelihood"])
def test_every_method_refuses_bad_data_in_one_sentence(method, x, error, message):
    vae = VAE(7, (5,), 3, likelihood="gaussian")
    with pytest.raises(error, match=message) as caught:
        getattr(vae, method)(x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("x", "error", "message"), BAD_DATA.values(), ids=BAD_DATA)
def test_fit_refuses_bad_data_and_bad_validation_data_and_changes_nothing(x, error, message):
    vae = VAE(7, (5,), 3, likelihood="gaussian")
    before = vae.store.vector.copy()
    with pytest.raises(error, match=message):
        fit(vae, x)
    with pytest.raises(error, match=message):
        fit(vae, GOOD, validation=x)
    np.testing.assert_array_equal(vae.store.vector, before)
    assert vae.step == 0


def test_numbers_in_other_clothes_are_taken():
    expected = check_matrix([[1, 0], [0, 1]], "float32")
    for x in (np.eye(2, dtype=bool), np.eye(2, dtype=np.int8), np.eye(2, dtype=object), np.eye(2, order="F")):
        result = check_matrix(x, "float32")
        np.testing.assert_array_equal(result, expected)
        assert result.dtype == np.float32
        assert result.flags["C_CONTIGUOUS"]
    x = np.eye(2, dtype=np.float32)
    assert check_matrix(x, "float32") is x  # no copy where none is needed


@pytest.mark.parametrize(
    ("likelihood", "x", "message"),
    [
        ("bernoulli", GOOD * 2, r"expects values in \[0, 1\], but the data reach from .* use likelihood='gaussian'"),
        ("bernoulli", -GOOD, "rescale them"),
        ("categorical", GOOD, "expects one 1 and otherwise 0 in columns 0 to 6, but row 0 holds"),
        (Categorical((3, 4)), np.eye(7)[:6], "in columns 0 to 2, but row 3 holds"),
        (Categorical((3, 4)), np.zeros((6, 7)), "one-hot encode the data"),
        (Categorical((3, 4)), np.c_[np.full((6, 1), np.nan), np.eye(6)], "in columns 0 to 2, but row 0 holds .nan"),
        ("poisson", GOOD, "expects counts 0, 1, 2, ..., but row 0, column 0 holds 0.63"),
        ("poisson", np.floor(-GOOD), "but row 0, column 0 holds -1"),
        ("negative-binomial", GOOD, "the NegativeBinomial likelihood expects counts 0, 1, 2, ..., but row 0"),
        ("lognormal", np.round(GOOD), "expects positive values, but row 0, column 1 holds 0"),
        (
            Mixed([("gaussian", 3), ("poisson", 4)]),
            GOOD,
            "in columns 3 to 6: the Poisson .* row 0, column 0 holds 0.01",
        ),
    ],
)
def test_data_must_fit_the_likelihood(likelihood, x, message):
    with pytest.raises(DataError, match=message):
        VAE(7, (5,), 3, likelihood=likelihood).loss(x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"input_dim": 0}, ValueError, "input_dim must be at least 1, got 0"),
        ({"input_dim": 7.5}, TypeError, "input_dim must be a whole number, got 7.5"),
        ({"hidden_dims": 400}, TypeError, r"hidden_dims must be a sequence of whole numbers such as \(400,\)"),
        ({"hidden_dims": (5, 0)}, ValueError, "each of hidden_dims must be at least 1, got 0"),
        ({"latent_dim": 0}, ValueError, "latent_dim must be at least 1, got 0"),
        ({"latent_dim": "20"}, TypeError, "latent_dim must be a whole number"),
        (
            {"activation": "gelu"},
            ValueError,
            "activation must be one of 'relu', 'leaky_relu', 'tanh', 'sigmoid', 'softplus'",
        ),
        ({"likelihood": "weibull"}, ValueError, "unknown likelihood 'weibull'"),
        ({"likelihood": "mixed"}, ValueError, "unknown likelihood 'mixed'"),
        ({"likelihood": Mixed([("gaussian", 3)])}, ValueError, r"add up to 3 columns, not 7"),
        ({"missing": "mean"}, ValueError, "missing must be one of 'zero', 'mask', got 'mean'"),
        ({"likelihood": Categorical((3, 3))}, ValueError, r"groups \(3, 3\) add up to 6 columns, not 7"),
        ({"beta": -1}, ValueError, "beta must be finite and at least 0, got -1.0"),
        ({"beta": float("nan")}, ValueError, "beta must be finite"),
        ({"beta": "much"}, TypeError, "beta must be a number"),
        ({"init": "zeros"}, ValueError, "init must be one of"),
        ({"dtype": "float16"}, ValueError, "dtype must be one of 'float32', 'float64'"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 2**64}, ValueError, "seed must be at most 18446744073709551615"),
        ({"seed": None}, TypeError, "seed must be a whole number"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        VAE(**{"input_dim": 7, "hidden_dims": (5,), "latent_dim": 3} | arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian("free"), "variance must be 'learned', 'per_dimension' or a number"),
        (lambda: Gaussian(0.0), "a fixed variance must be finite and greater than 0"),
        (lambda: Gaussian(float("nan")), "a fixed variance must be finite and greater than 0"),
        (lambda: Categorical(()), "groups must name at least one group"),
        (lambda: Categorical((3, -1)), "each of groups must be at least 1, got -1"),
        (lambda: Adam(float("nan")), "learning_rate must be finite and greater than 0, got nan"),
        (lambda: Adam(0), "learning_rate must be finite and greater than 0"),
        (lambda: Adam(1e-3, betas=(0.9, 1.0)), "each of betas must be finite and at least 0 and below 1, got 1.0"),
        (lambda: Adam(1e-3, epsilon=0), "epsilon must be finite and greater than 0"),
        (lambda: SGD(-1.0), "learning_rate must be finite"),
        (lambda: SGD(0.1, momentum=1.5), "momentum must be finite and at least 0 and below 1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs must be at least 0, got -1"),
        ({"epochs": 1.5}, TypeError, "epochs must be a whole number"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"l1": -0.1}, ValueError, "l1 must be finite and at least 0"),
        ({"l2": float("inf")}, ValueError, "l2 must be finite"),
        ({"binarize": "yes"}, ValueError, "binarize must be one of 'none', 'stochastic', 'threshold'"),
        ({"seed": 0.5}, TypeError, "seed must be a whole number"),
    ],
)
def test_fit_refuses_settings_that_make_no_sense(arguments, error, message):
    vae = VAE(7, (5,), 3, likelihood="gaussian")
    with pytest.raises(error, match=message):
        fit(vae, GOOD, **arguments)
    assert vae.optimizer is None


def test_latents_of_another_width_are_refused():
    vae = VAE(7, (5,), 3)
    with pytest.raises(ValueError, match="z has 2 columns, but this model has 3 latent dimensions"):
        vae.decode(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="n must be at least 1"):
        vae.sample(0)
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        vae.log_likelihood(np.zeros((1, 7)), 0)


def test_whole_numbers_that_float32_would_round_are_refused():
    clock = np.array([[1_700_000_001, 0]])
    assert check_matrix(clock, "float64").tolist() == clock.tolist()
    with pytest.raises(DataError, match="whole numbers up to 1700000001, which float32 rounds: use float64, or"):
        check_matrix(clock, "float32")


def test_masked_entries_are_missing_values():
    x = np.ma.masked_greater(np.arange(6.0).reshape(3, 2), 3)
    with pytest.raises(DataError, match=r"is a masked array, masked first at \(2, 0\): remove or impute"):
        check_matrix(x, "float64")
    np.testing.assert_array_equal(check_matrix(np.ma.masked_array(np.eye(2)), "float64"), np.eye(2))
