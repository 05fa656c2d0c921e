"""The checker itself: that it finds wrong gradients, names what is wrong, and never guesses."""

import json

import numpy as np
import pytest
from scipy.special import expit

from minivae import VAE, cli, gradcheck, selfcheck
from minivae.backend import load
from minivae.gradcheck import (
    check_model,
    complex_step_gradient,
    diagnose,
    directional_error,
    numerical_gradient,
    relative_error,
    verdict,
)
from minivae.gradcheck.cases import check_all, check_directions, model_cases
from minivae.gradcheck.check import check_backward

RNG = np.random.default_rng(0)
RIGHT = RNG.standard_normal((6, 3))
K = load("numpy")


def test_every_gradient_of_the_reference_is_right_to_1e_6():
    checks = list(check_all("numpy"))
    assert len(checks) > 100
    assert [check for check in checks if not check.passed] == []
    assert {check.method for check in checks} == {"central differences", "complex step", "random direction"}
    assert all(check.message == "" for check in checks)


def test_relative_error_is_norm_wise_and_zero_for_two_zeros():
    assert relative_error(np.array([3.0, 0.0]), np.array([0.0, 4.0])) == pytest.approx(5 / 7)
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.array([1e-12]), np.array([-1e-12])) < 1e-3  # below the floor of 1e-8


def test_numerical_gradient_is_right_and_leaves_x_alone():
    x = RNG.standard_normal((2, 3))
    before = x.copy()
    gradient = numerical_gradient(lambda v: float(np.sum(v**3)), x)
    np.testing.assert_allclose(gradient, 3 * before**2, rtol=1e-8)
    np.testing.assert_array_equal(x, before)


def test_numerical_gradient_refuses_float32():
    with pytest.raises(TypeError, match="needs float64, got float32"):
        numerical_gradient(lambda v: float(v.sum()), np.zeros(3, np.float32))


def test_the_complex_step_is_exact_to_rounding():
    x = RNG.standard_normal(5)
    np.testing.assert_allclose(complex_step_gradient(lambda v: np.sum(np.tanh(v) ** 2 + np.exp(v)), x),
                               2 * np.tanh(x) * (1 - np.tanh(x) ** 2) + np.exp(x), rtol=1e-14)  # fmt: skip


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda v: np.sum(np.abs(v)), "absolute"),
        (lambda v: np.sum(np.sign(v)), "sign"),
        (lambda v: np.sum(np.logaddexp(0, v)), "logaddexp"),
        (lambda v: np.linalg.norm(v), "norm"),
        (lambda v: np.vdot(v, v), "vdot"),
        (lambda v: np.sum(v.astype(np.float64)), "real"),
        (lambda v: np.sum(expit(v)), "expit"),
        (lambda v: K.bernoulli_nll(v[None], np.ones((1, 4)))[0], "absolute"),
    ],
)
def test_the_complex_step_refuses_by_name_what_it_would_get_wrong(f, name):
    with pytest.raises(ValueError, match=f"wrong through {name}"):
        complex_step_gradient(f, RNG.standard_normal(4))


@pytest.mark.parametrize(
    "f",
    [
        lambda v: np.sum(v.real**2),
        lambda v: v.var(),
        lambda v: float(np.asarray(v).real.sum()),
        lambda v: np.sum(v**2) + np.sum(np.abs(np.asarray(v))),
        lambda v: sum(abs(complex(value)) * value for value in v),
    ],
    ids=["real", "var", "float", "plain array", "python abs"],
)
def test_the_complex_step_never_returns_what_a_finite_difference_contradicts(f):
    with pytest.raises((ValueError, TypeError)):
        complex_step_gradient(f, np.array([0.3, -0.7, 1.1]))


def test_arrays_of_different_shapes_have_no_relative_error():
    with pytest.raises(ValueError, match=r"the shapes differ: \(3, 1\) and \(3,\)"):
        relative_error(np.ones((3, 1)), np.ones(3))


def test_a_trusted_gradient_that_is_not_finite_is_not_trusted():
    assert diagnose(np.ones(3), np.array([1, np.nan, 1])).startswith("the trusted gradient itself is nan at index (1,)")
    assert not verdict("f", "dx", np.ones(3), np.array([1, np.nan, 1])).passed


def test_checking_a_float32_model_is_refused_and_leaves_it_alone():
    vae = VAE(7, (5,), 3)
    before = vae.store.vector.copy()
    with pytest.raises(TypeError, match="needs a float64 model, this one is float32"):
        check_model(vae, np.zeros((2, 7)))
    with pytest.raises(ValueError, match="features"):
        check_model(VAE(7, (5,), 3, dtype="float64"), np.zeros((2, 5)))
    np.testing.assert_array_equal(vae.store.vector, before)


def test_a_random_direction_tells_right_from_wrong():
    x, rng = RNG.standard_normal(1000), np.random.default_rng(1)
    before = x.copy()
    assert directional_error(lambda v: float(np.sum(v**2)), x, 2 * x, rng) < 1e-9
    assert directional_error(lambda v: float(np.sum(v**2)), x, 2 * x + 0.1, rng) > 1e-3
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("wrong", range(6))
def test_a_random_direction_sees_every_coordinate(wrong):
    gradient = 2 * (x := RNG.standard_normal(6))
    gradient[wrong] += 0.1
    assert directional_error(lambda v: float(np.sum(v**2)), x, gradient, np.random.default_rng(1)) > 1e-5


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e6])
def test_a_wrong_gradient_fails_however_small_it_is(size):
    assert relative_error(size * RIGHT, 1.001 * size * RIGHT) == pytest.approx(0.0005, rel=1e-2)
    assert not verdict("f", "dx", size * RIGHT, 1.001 * size * RIGHT).passed


def test_what_is_not_finite_or_overflows_is_an_infinite_error_that_max_keeps():
    for bad in (np.nan, np.inf, -np.inf, 1e200):
        wrong = RIGHT.copy()
        wrong[1, 1] = bad
        assert max(0.0, relative_error(wrong, RIGHT), 0.0) >= 1 - 1e-9
        assert not verdict("f", "dx", wrong, RIGHT).passed


@pytest.mark.parametrize("name", [*VAE(4, (3,), 2).parameters])
def test_the_directions_of_the_large_model_see_every_parameter(name, monkeypatch):
    true = VAE.loss_and_gradients

    def spoilt(self, x, eps=None):
        terms = true(self, x, eps)
        self.gradients[name][...] *= 1.5
        return terms

    monkeypatch.setattr(VAE, "loss_and_gradients", spoilt)
    checks = list(check_directions("numpy", n=2))
    assert [check.passed for check in checks] == [False, False]
    assert checks[0].relative_error != checks[1].relative_error


def with_entry(index, value):
    array = RIGHT.copy()
    array[index] = value
    return array


SQUARE = RNG.standard_normal((4, 4))


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        (RIGHT.T, RIGHT, "the shape is (3, 6), expected (6, 3): transposed"),
        (RIGHT.T * 3, RIGHT, "transposed, and the values are wrong too"),
        (RIGHT, RIGHT.sum(axis=0), "the shape is (6, 3), expected (3,): sum over axis 0"),
        (RIGHT, RIGHT.sum(axis=1), "the shape is (6, 3), expected (6,): sum over axis 1"),
        (RIGHT[:5], RIGHT, "the shape is (5, 3), expected (6, 3)"),
        (with_entry((4, 1), np.nan), RIGHT, "not finite is nan at index (4, 1)"),
        (np.zeros((6, 3)), RIGHT, "zero everywhere"),
        (RIGHT * 2, RIGHT, "2 times the expected values, everywhere: (2) a factor 1/2 is missing"),
        (RIGHT / 2, RIGHT, "0.5 times the expected values, everywhere: (1/2)"),
        (-RIGHT, RIGHT, "-1 times the expected values, everywhere: (-1) the sign"),
        (RIGHT * 6, RIGHT, "(B) the 1/B of the batch mean is missing"),
        (RIGHT / 6, RIGHT, "(1/B) averaged over the batch"),
        (RIGHT * 3, RIGHT, "(K)"),
        (RIGHT / 3, RIGHT, "(1/K)"),
        (RIGHT * 7, RIGHT, "(D)"),
        (RIGHT / 7, RIGHT, "(1/D)"),
        (SQUARE.T, SQUARE, "transposed"),
        (with_entry((2, 1), 12.5), RIGHT, f"worst at index (2, 1): 12.5, expected {RIGHT[2, 1]:.6g}"),
    ],
)
def test_the_diagnosis_names_what_is_wrong(wrong, right, words):
    assert words in diagnose(wrong, right)


def test_a_right_gradient_has_no_diagnosis():
    assert diagnose(RIGHT + 1e-10, RIGHT) == ""
    assert diagnose(np.zeros(3), np.zeros(3)) == ""


def test_nothing_is_guessed_from_an_unknown_ratio_from_noise_or_from_a_single_number():
    assert diagnose(RIGHT * 1.37, RIGHT) == "1.37 times the expected values, everywhere"
    assert diagnose(RNG.standard_normal((6, 3)), RIGHT).startswith("worst at index")
    assert diagnose(np.array([2.0]), np.array([1.0])).startswith("worst at index")


def test_a_wrong_shape_fails_even_where_it_would_broadcast():
    check = verdict("f", "dx", np.ones((1, 3)), np.ones((6, 3)))
    assert not check.passed
    assert check.relative_error == float("inf")


def test_the_model_check_finds_a_gradient_that_is_off_by_a_thousandth():
    _, vae, x = next(model_cases())
    true, before = vae.loss_and_gradients, vae.store.vector.copy()

    def off(x, eps=None):
        terms = true(x, eps)
        vae.gradients["encoder.logvar.W"][0, 0] *= 1.001
        return terms

    vae.loss_and_gradients = off
    wrong = [check.array for check in check_model(vae, x) if not check.passed]
    assert wrong == ["encoder.logvar.W"]
    np.testing.assert_array_equal(vae.store.vector, before)  # the check leaves the model as it was


def test_a_backward_that_ignores_its_noise_or_its_upstream_gradient_is_found(monkeypatch):
    _, vae, x = next(model_cases())
    right = vae.kernels.reparameterize_backward
    monkeypatch.setattr(
        vae.kernels, "reparameterize_backward", lambda dz, logvar, eps, **out: right(dz, logvar, 0 * eps, **out)
    )
    assert not all(check.passed for check in check_model(vae, x))
    arrays, ignores = {"x": np.ones(4)}, lambda arrays, upstream: {"x": np.full(4, 3.0)}
    (check,) = check_backward("f", lambda arrays: 3 * arrays["x"], ignores, arrays, np.random.default_rng(0))
    assert not check.passed


def test_the_models_that_are_checked_use_everything_there_is():
    models = [vae for _, vae, _ in model_cases()]
    assert {vae.activation for vae in models} == {"relu", "tanh", "sigmoid", "softplus"}
    assert {vae.likelihood.name for vae in models} == {"bernoulli", "gaussian", "categorical", "mixed"}
    assert {len(vae.hidden_dims) for vae in models} == {0, 1, 2}


def test_the_command_prints_json_and_nothing_else(capsys):
    assert cli.main(["gradcheck", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["passed"] is True
    assert all(check["relative_error"] < 1e-6 for check in summary["checks"])


@pytest.fixture
def wrong(monkeypatch):
    """A function that multiplies a gradient, and leaves the commands no other check."""
    right = load("numpy").gaussian_kl_backward

    def multiply(factor):
        def times(*args, **kwargs):
            dmu, dlogvar = right(*args, **kwargs)
            dlogvar *= factor
            return dmu, dlogvar

        monkeypatch.setattr(load("numpy"), "gaussian_kl_backward", times)
        monkeypatch.setattr(selfcheck, "model_cases", lambda backend: iter(()))
        monkeypatch.setattr(selfcheck, "check_directions", lambda backend: iter(()))

    return multiply


def test_json_has_null_where_an_error_is_infinite_or_none(capsys, wrong):
    wrong(np.nan)
    assert cli.main(["gradcheck", "--json"]) == 1
    summary = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (summary["passed"], summary["worst"]) == (False, None)


def test_the_command_fails_and_says_why_if_a_gradient_is_wrong(capsys, wrong):
    wrong(2)
    assert cli.main(["gradcheck"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  dlogvar" in out
    assert "a factor 1/2 is missing" in out
    assert "WRONG" in out


def test_the_documented_glossary_of_sizes_has_no_two_alike():
    assert len(set(gradcheck.SIZES.values())) == len(gradcheck.SIZES)
