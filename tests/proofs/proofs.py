"""The proofs that this is a VAE, as plain functions: each returns if its claim holds and raises AssertionError if not.

They take the code that they judge, the kernels of a backend or a VAE class, so that the same proof runs on every
backend (test_proofs.py) and on copies of our code with a mistake planted in it (test_planted_bugs.py).

A gradient check proves that a gradient belongs to its function. Only the other proofs say that it is the right
function. Statistics use fixed seeds, and tolerances of five standard errors.
"""

import itertools

import numpy as np
from scipy import stats
from sklearn.datasets import load_digits

from minivae import SGD, VAE, Adam, Gaussian, TrainingDiverged, fit, gradcheck, selfcheck

DTYPES = ("float32", "float64")
SIGMAS = 5  # standard errors: chance exceeds it once in two million draws


def vae_class(kernels, base=VAE):
    """A VAE class like ``base`` that computes with these kernels."""

    class WithKernels(base):
        def _build(self):
            self.kernels = kernels
            super()._build()

    return WithKernels


def on_device(kernels, *arrays, dtype="float64"):
    return [kernels.asarray(np.asarray(array), dtype) for array in arrays]


def assert_all_passed(checks):
    wrong = [f"{check.function} {check.array}: {check.message}" for check in checks if not check.passed]
    assert not wrong, "\n".join(wrong)


# ---------------------------------------------------------------------------------------------------------
# The gradients belong to the functions


def gradients_of_every_operation(kernels):
    assert_all_passed(selfcheck.check_kernels(kernels))


def gradients_of_every_operation_for_upstream_of_ones(kernels):
    """The check that many tutorials do. A backward that forgets its upstream gradient passes it."""
    for case in selfcheck.CASES:
        arrays = case.draw(np.random.default_rng(0))
        upstream = np.ones(np.shape(case.value(kernels, arrays)))
        for name, analytic in case.gradients(kernels, arrays, upstream).items():

            def total(changed, case=case, arrays=arrays, name=name):
                return np.sum(case.value(kernels, arrays | {name: changed}))

            numeric = gradcheck.numerical_gradient(total, arrays[name])
            assert_all_passed([gradcheck.verdict(case.name, f"d{name}", analytic, numeric)])


def gradients_of_the_whole_loss(model):
    for name, vae, x in selfcheck.model_cases(model=model):
        assert_all_passed(gradcheck.check_model(vae, x, name))


# ---------------------------------------------------------------------------------------------------------
# Free bits: the maximum of a threshold and the batch mean of each dimension


def free_bits_are_a_maximum_of_the_mean_without_a_jump(model):
    """With mu = w x, logvar = 0 and two examples x = 0 and 2 the KL are 0 and 2 w^2, and their mean is w^2."""
    vae, x, noise = (
        model(1, (), 1, likelihood=Gaussian(1.0), beta=3.0, dtype="float64", free_bits=0.5),
        [[0], [2]],
        [[0]] * 2,
    )
    for array in vae.parameters.values():
        array[...] = 0

    def at(w):
        vae.parameters["encoder.mu.W"][...] = w
        terms = vae.loss_and_gradients(np.array(x, float), np.array(noise, float))
        np.testing.assert_allclose(terms.elbo, -terms.recon_nll - w * w)  # true, whatever is paid
        return terms.loss - terms.recon_nll, vae.gradients["encoder.mu.W"].item()

    for w in (0.1, 0.6):  # at 0.6 the mean is below the threshold, one example alone above it
        loss, gradient = at(w)
        np.testing.assert_allclose(loss, 3 * 0.5)
        assert gradient == 0
    for w in (0.8, 1.2):
        np.testing.assert_allclose(at(w), (3 * w * w, 3 * 2 * w))
    path = np.linspace(0.70, 0.72, 41)  # across the threshold at 0.7071: no step is longer than the slope allows
    steps = abs(np.diff([at(w)[0] for w in path]))
    np.testing.assert_array_less(steps, 3 * 2 * 0.72 * (path[1] - path[0]) * 1.001)


# ---------------------------------------------------------------------------------------------------------
# z comes from q(z|x)


def sampler_has_the_requested_mean_and_variance(model):
    n, mu, logvar = 20_000, np.array([0.0, 2.0, -1.0]), np.array([0.0, 1.5, -2.0])
    for dtype in DTYPES:
        vae = model(2, (), 3, likelihood="gaussian", dtype=dtype, seed=1)
        for array in vae.parameters.values():
            array[...] = 0
        for name, value in (("mu", mu), ("logvar", logvar)):
            vae.parameters[f"encoder.{name}.b"][...] = vae.kernels.asarray(value, dtype)
        vae.forward(vae.kernels.zeros((n, 2), dtype), vae.noise(np.arange(n)))
        z = vae.kernels.to_numpy(vae.decoder.layers[0].x).astype(float)  # what reaches the decoder

        std = np.exp(logvar / 2)
        np.testing.assert_array_less(abs(z.mean(axis=0) - mu), SIGMAS * std / np.sqrt(n))
        np.testing.assert_array_less(abs(z.var(axis=0) - std**2), SIGMAS * std**2 * np.sqrt(2 / n))
        standard = (z - mu) / std
        assert min(stats.kstest(column, "norm").pvalue for column in standard.T) > 1e-3, "not normal"
        correlations = (standard.T @ standard / n)[np.triu_indices(3, 1)]
        np.testing.assert_array_less(abs(correlations), SIGMAS / np.sqrt(n))


def noise_is_fresh_at_every_step_and_for_every_example(model):
    vae, rows = model(4, (3,), 5, dtype="float64"), np.arange(200)
    steps = []
    for _ in range(3):
        steps.append(vae.kernels.to_numpy(vae.noise(rows)).copy())
        train(vae, np.zeros((1, 4)), 1, Adam())
    draws = np.concatenate([step.ravel() for step in steps])
    assert len(np.unique(draws)) == draws.size


# ---------------------------------------------------------------------------------------------------------
# The KL is the KL


def kl_matches_monte_carlo(kernels):
    """KL(q || p) = E_q[log q(z) - log p(z)], with densities and draws that are not ours."""
    rng, n = np.random.default_rng(0), 20_000
    mu, logvar = rng.standard_normal((2, 4, 3))
    std = np.exp(logvar / 2)
    z = mu + std * rng.standard_normal((n, 4, 3))
    log_ratio = np.sum(stats.norm.logpdf(z, mu, std) - stats.norm.logpdf(z), axis=2)
    kl = kernels.to_numpy(kernels.gaussian_kl_forward(*on_device(kernels, mu, logvar)))
    standard_error = log_ratio.std(axis=0) / np.sqrt(n)
    np.testing.assert_array_less(abs(log_ratio.mean(axis=0) - kl), SIGMAS * standard_error)


def kl_is_zero_at_the_prior(kernels):
    zeros = kernels.zeros((4, 3), "float64")
    assert not kernels.to_numpy(kernels.gaussian_kl_forward(zeros, zeros)).any()
    for gradient in kernels.gaussian_kl_backward(kernels.zeros(4, "float64") + 1, zeros, zeros):
        assert not kernels.to_numpy(gradient).any(), "the KL is smallest there"


def kl_is_never_negative(kernels):
    mu, logvar = np.meshgrid(np.linspace(-3, 3, 25), np.linspace(-20, 5, 101))
    kl = kernels.gaussian_kl_forward(*on_device(kernels, mu.reshape(-1, 1), logvar.reshape(-1, 1)))
    assert kernels.to_numpy(kl).min() >= 0


# ---------------------------------------------------------------------------------------------------------
# The likelihoods are probabilities


def bernoulli_probabilities_sum_to_one(kernels):
    images = np.array(list(itertools.product((0.0, 1.0), repeat=5)))
    for logits in 3 * np.random.default_rng(0).standard_normal((4, 5)):
        nll, _ = kernels.bernoulli_nll(*on_device(kernels, np.tile(logits, (32, 1)), images))
        np.testing.assert_allclose(np.exp(-kernels.to_numpy(nll)).sum(), 1, rtol=1e-12)


def categorical_probabilities_sum_to_one(kernels):
    rows = np.array([np.concatenate(pair) for pair in itertools.product(np.eye(3), np.eye(2))])
    for logits in 3 * np.random.default_rng(0).standard_normal((4, 5)):
        nll, _ = kernels.categorical_nll(*on_device(kernels, np.tile(logits, (6, 1)), rows), (3, 2))
        np.testing.assert_allclose(np.exp(-kernels.to_numpy(nll)).sum(), 1, rtol=1e-12)


def gaussian_density_integrates_to_one(kernels):
    """Over the plane, by a sum over a fine grid: for a smooth density that ends within it, exact to rounding."""
    axis = np.linspace(-12, 12, 241)
    x = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    for logvar in ([0.5], [-1.0], [-1.0, 0.7]):
        mean = np.tile([0.3, -0.8], (len(x), 1))
        nll, _, _ = kernels.gaussian_nll(*on_device(kernels, mean, logvar, x))
        np.testing.assert_allclose(np.exp(-kernels.to_numpy(nll)).sum() * 0.1**2, 1, rtol=1e-12)


def finite_at_logits_of_800(kernels):
    """Where exp overflows, and a probability rounds to 0 or 1, the logits' formulas still have every digit."""
    logits = np.array([[800.0, -800.0, 0.0], [-800.0, 800.0, 800.0], [800.0, 800.0, -800.0]])
    x = np.eye(3)
    for dtype in DTYPES:
        device_logits, device_x, upstream = on_device(kernels, logits, x, np.ones(3), dtype=dtype)
        for values in (
            *kernels.bernoulli_nll(device_logits, device_x, upstream),
            kernels.bernoulli_mean(device_logits),
            *kernels.categorical_nll(device_logits, device_x, (3,), upstream),
            kernels.categorical_mean(device_logits, (3,)),
        ):
            assert np.all(np.isfinite(kernels.to_numpy(values))), f"not finite in {dtype}"


def exact_at_logits_of_800(kernels):
    """Finite is not enough: clipping the logits is finite too, and wrong."""
    logits, x = np.array([[800.0, -800.0], [-800.0, 800.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    for dtype in DTYPES:
        nll, dlogits = kernels.bernoulli_nll(*on_device(kernels, logits, x, np.ones(2), dtype=dtype))
        np.testing.assert_array_equal(kernels.to_numpy(nll), [0, 800])
        np.testing.assert_array_equal(kernels.to_numpy(dlogits), [[0, 0], [-1, 0]])
        nll, dlogits = kernels.categorical_nll(*on_device(kernels, logits, np.eye(2)[[0, 0]], dtype=dtype), (2,))
        np.testing.assert_array_equal(kernels.to_numpy(nll), [0, 1600])


# ---------------------------------------------------------------------------------------------------------
# It learns


def train(vae, x, epochs, optimizer):
    try:
        return fit(vae, x, epochs=epochs, batch_size=len(x), optimizer=optimizer)
    except TrainingDiverged as error:
        raise AssertionError(str(error)) from error


def loss_goes_down(model):
    """What everybody looks at first. Most wrong gradients, and nearly every wrong loss, pass."""
    x = (np.random.default_rng(0).random((gradcheck.B, gradcheck.D)) < 0.5).astype(float)
    vae = model(gradcheck.D, (gradcheck.H,), gradcheck.K, dtype="float64")
    losses = train(vae, x, 200, SGD(0.1, momentum=0))["loss"]
    before, after = np.mean(losses[:20]), np.mean(losses[-20:])
    assert after < 0.95 * before, f"the loss went from {before:.2f} to {after:.2f}"


def overfits_16_digits(model):
    """Memorising 16 different images costs log 16 nats for each: no honest bound gets below that."""
    x = (load_digits().data[:16] >= 8).astype(float)
    assert len(np.unique(x, axis=0)) == 16
    vae = model(64, (64,), 8, dtype="float64")
    for learning_rate in (1e-2, 1e-3):
        train(vae, x, 300, Adam(learning_rate))
    np.testing.assert_array_equal(vae.reconstruct(x) >= 0.5, x == 1)
    loss = vae.loss(np.tile(x, (100, 1))).loss
    assert np.log(16) < loss < 3 * np.log(16), f"{loss:.2f} nats"


def a_hole_costs_nothing_and_moves_nothing(model):
    """No parameter that belongs to a column has a say where nothing of it was observed."""
    vae = model(4, (), 2, likelihood=Gaussian("per_dimension"), dtype="float64")
    x = np.random.default_rng(0).standard_normal((6, 4))
    x[:, 1] = np.nan
    before = vae.loss_and_gradients(x).loss
    for name in ("decoder.output.b", "decoder.output.logvar"):
        assert vae.gradients[name][1] == 0, name
        assert np.all(vae.gradients[name][[0, 2, 3]] != 0), name
        vae.parameters[name][1] += 1
    assert vae.loss(x).loss == before


def conditional(model, missing="zero"):
    """A linear model of x given c, by hand, whose encoder is the exact posterior; the density of p(x|c), as SciPy's."""
    W, V, b, variance = np.array([[1.0, 2, 0, -1], [2, -1, 3, 0]]), np.array([[3.0, 0, 1, 0]]), np.arange(4.0), 0.7
    vae = model(4, (), 2, likelihood=Gaussian(variance), dtype="float64", condition_dim=1, missing=missing)
    m = np.diag(W @ W.T) + variance  # orthogonal rows of W: the posterior's precision is diagonal
    unseen = np.zeros((4 * (missing == "mask"), 2))
    for name, value in {
        "decoder.output.W": np.vstack([W, V]),
        "decoder.output.b": b,
        "encoder.mu.W": np.vstack([W.T / m, -(V @ W.T) / m, unseen]),
        "encoder.mu.b": -(W @ b) / m,
        "encoder.logvar.W": np.zeros((5 + len(unseen), 2)),
        "encoder.logvar.b": np.log(variance / m),
    }.items():
        vae.parameters[name][...] = vae.kernels.asarray(value, "float64")
    covariance = W.T @ W + variance * np.eye(4)
    return vae, lambda x, c: stats.multivariate_normal(np.zeros(4), covariance).logpdf(x - b - c @ V)


def a_condition_moves_what_is_said_of_the_data(model):
    """With the exact posterior every weight is p(x|c): a condition that one network does not see shows at once."""
    rng = np.random.default_rng(0)
    x, c = 3 * rng.standard_normal((9, 4)), rng.standard_normal((9, 1))
    for missing in ("zero", "mask"):
        vae, log_density = conditional(model, missing)
        np.testing.assert_allclose(vae.log_likelihood(x, 3, condition=c), log_density(x, c), rtol=1e-10)


# ---------------------------------------------------------------------------------------------------------
# Bounds of several draws, where the posterior is known

ENCODER_BIASES = ("encoder.mu.b", "encoder.logvar.b")


def linear_gaussian(model, off, **options):
    """Two columns, one latent, an encoder whose mean and log variance are ``off`` the posterior's; and log p(x)."""
    vae = model(2, (), 1, likelihood=Gaussian(0.5), dtype="float64", **options)
    W, b, variance = np.array([[1.0, -0.6]]), np.array([0.3, -0.2]), 0.5
    precision = 1 + np.sum(W**2) / variance
    values = {"decoder.output.W": W, "decoder.output.b": b, "encoder.logvar.W": np.zeros((2, 1))}
    values |= {"encoder.mu.W": W.T / variance / precision, "encoder.mu.b": off[0] - b @ W.T / variance / precision}
    for name, value in (values | {"encoder.logvar.b": [off[1] - np.log(precision)]}).items():
        vae.parameters[name][...] = vae.kernels.asarray(np.asarray(value), "float64")
    return vae, stats.multivariate_normal(b, W.T @ W + variance * np.eye(2)).logpdf


def gradient_and_slope(vae, x, eps):
    """What backpropagation says of the encoder's biases, and finite differences of the loss: (2,) each."""
    vae.loss_and_gradients(x, eps)
    gradient = [float(vae.gradients[name][0]) for name in ENCODER_BIASES]
    slope = []
    for name in ENCODER_BIASES:
        bias, losses = vae.parameters[name], []
        start = float(bias[0])
        for step in (1e-5, -1e-5):
            bias[...] = start + step
            losses.append(vae.loss(x, eps).loss)
        bias[...] = start
        slope.append((losses[0] - losses[1]) / 2e-5)
    return np.array(gradient), np.array(slope)


def gradient_has_the_mean_of_the_slope(model, objective, draws):
    """The mean over noise, of gradient and of the bound's slope with the same noise, to four standard errors."""
    vae, rng = linear_gaussian(model, (0.3, 0.4), objective=objective, draws=draws)[0], np.random.default_rng(0)
    found = []
    for _ in range(25):
        x, eps = rng.standard_normal((400, 2)), rng.standard_normal((400, draws, 1))
        found.append(np.subtract(*gradient_and_slope(vae, x, eps)))
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(abs(np.mean(found, axis=0)) < 4 * error + 1e-8), f"{objective}, {draws} draws: biased"


def iwae_and_dreg_are_unbiased(model):
    for objective, draws in itertools.product(("iwae", "dreg"), (2, 5)):
        gradient_has_the_mean_of_the_slope(model, objective, draws)


def path_gradients_vanish_at_the_posterior(model):
    """Not in the mean, but for every draw: sticking the landing. IWAE's does not."""
    rng = np.random.default_rng(0)
    x, eps = rng.standard_normal((1, 2)), rng.standard_normal((1, 5, 1))
    for objective in ("stl", "dreg", "iwae"):
        vae, _ = linear_gaussian(model, (0, 0), objective=objective, draws=5)
        vae.loss_and_gradients(x, eps)
        largest = max(abs(float(vae.gradients[name][0])) for name in ENCODER_BIASES)
        assert largest < 1e-12 if objective != "iwae" else largest > 0.01, f"{objective}: {largest}"


def a_bound_rises_with_its_draws_up_to_log_px(model):
    """Where every weight is p(x) the bound is exact; else it rises, comes close, and never exceeds log p(x)."""
    rng = np.random.default_rng(0)
    for off in ((0, 0), (0.5, 1.0)):
        gaps = []
        for draws in (1, 4, 16, 512):
            vae, log_px = linear_gaussian(model, off, objective="iwae", draws=draws)
            x = rng.standard_normal((40, 500 if draws < 100 else 20, 2))
            gap = [-vae.loss(rows, rng.standard_normal((len(rows), draws, 1))).loss - log_px(rows).mean() for rows in x]
            gaps.append((np.mean(gap), np.std(gap, ddof=1) / np.sqrt(len(gap))))
        means, errors = np.transpose(gaps)
        if off == (0, 0):
            np.testing.assert_allclose(means, 0, atol=1e-10)
            continue
        assert np.all(means < 4 * errors), "above log p(x)"
        assert np.all(np.diff(means)[:2] > 4 * errors[:2]), "more draws, no tighter"
        assert abs(means[-1]) < 4 * errors[-1] + 0.002, "it does not come to log p(x)"


OF_KERNELS = (
    gradients_of_every_operation,
    gradients_of_every_operation_for_upstream_of_ones,
    kl_matches_monte_carlo,
    kl_is_zero_at_the_prior,
    kl_is_never_negative,
    bernoulli_probabilities_sum_to_one,
    categorical_probabilities_sum_to_one,
    gaussian_density_integrates_to_one,
    finite_at_logits_of_800,
    exact_at_logits_of_800,
)
OF_MODELS = (
    gradients_of_the_whole_loss,
    sampler_has_the_requested_mean_and_variance,
    noise_is_fresh_at_every_step_and_for_every_example,
    loss_goes_down,
    overfits_16_digits,
)
OF_MODELS_ON_THE_CPU = (
    a_hole_costs_nothing_and_moves_nothing,
    free_bits_are_a_maximum_of_the_mean_without_a_jump,
    a_condition_moves_what_is_said_of_the_data,
)
OF_BOUNDS = (
    iwae_and_dreg_are_unbiased,
    path_gradients_vanish_at_the_posterior,
    a_bound_rises_with_its_draws_up_to_log_px,
)  # nor these
