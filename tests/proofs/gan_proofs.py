"""The proofs that this is a GAN, as plain functions: each returns if its claim holds and raises AssertionError if not.

They take the code that they judge, the class GAN and the module losses, so that the same proof runs on our code, on
every backend (test_gan_proofs.py), and on copies with a mistake planted in it (test_gan_planted_bugs.py).
"""

import numpy as np
from scipy import optimize, stats
from scipy.integrate import trapezoid

from minivae import SGD
from minivae.backend import load
from minivae.gradcheck import numerical_gradient

B, D, K = 6, 3, 4
BOTH = ("nonsaturating", "saturating")
GRID = np.linspace(-12, 12, 801)  # the trapezoidal rule is exact to rounding for smooth densities that end in it


def game(code, backend, **settings):
    """A small GAN in float64 at a random point, away from kinks, with a batch: gan, x, z, noise."""
    rng = np.random.default_rng(0)
    gan = code.GAN(D, (5, 7), K, dtype="float64", backend=backend, **settings)
    while True:
        for array in gan.parameters.values():
            array[...] = 0.7 * rng.standard_normal(array.shape)
        x, z, noise = (rng.standard_normal((B, width)) for width in (D, K, D))
        if far_from_kinks(gan, x, z, noise):
            return gan, x, z, noise


def far_from_kinks(gan, x, z, noise):
    fake, cache = gan.generator.forward(z)
    passes = [cache, *(gan.discriminator.forward(batch)[1] for batch in (x, fake, x + gan.penalty_noise * noise))]
    return min(np.abs(y[y != 0]).min() for cache in passes for _, y in cache[:-1]) > 1e-3


def check_gradients(gan, network, loss):
    """Every parameter of one network against differences of ``loss()``, which fills the gradients."""
    loss()
    gradients = {name: gradient.copy() for name, gradient in network.store.gradients.items()}
    for name, array in network.store.arrays.items():
        numeric = numerical_gradient(lambda _: loss(), array)
        tolerance = (
            1e-5 if "r1" in gan.penalty and gan.config["activation"] == "tanh" else 1e-6
        )  # the difference is an estimate
        difference = np.linalg.norm(gradients[name] - numeric)
        scale = max(np.linalg.norm(numeric), 1e-3)  # of pairs, the last bias has the gradient 0
        assert difference < tolerance * scale, f"{gan.loss}, {gan.penalty}: {name}"


# ---------------------------------------------------------------------------------------------------------
# The gradients belong to the functions


def gradients_of_the_discriminator(code, backend):
    for activation in ("leaky_relu", "tanh"):
        for loss, penalty in (
            ("nonsaturating", "none"),
            ("relativistic", "approximate-r1"),
            ("relativistic", "r1"),
            ("nonsaturating", "r1-r2"),
        ):
            gan, *batch = game(code, backend, loss=loss, penalty=penalty, activation=activation, gamma=1.3)
            check_gradients(gan, gan.discriminator, lambda gan=gan, batch=batch: sum(gan.discriminator_pass(*batch)))


def gradients_of_the_generator(code, backend):
    for loss in ("nonsaturating", "saturating", "relativistic"):
        gan, x, z, _ = game(code, backend, loss=loss)
        check_gradients(gan, gan.generator, lambda gan=gan, x=x, z=z: gan.generator_pass(x, z))


# ---------------------------------------------------------------------------------------------------------
# They are the right functions: a mixture p of two normals against q = N(m, s^2), G(z) = m + s z, and the optimal D


def p(x):
    return 0.4 * stats.norm.pdf(x, -1.5, 0.6) + 0.6 * stats.norm.pdf(x, 1.0, 0.8)


def divergences(m, s):
    """2 JS(p, q) and KL(q || p), in nats."""
    p_, q = p(GRID), stats.norm.pdf(GRID, m, s)
    middle = (p_ + q) / 2
    js2 = trapezoid(p_ * np.log(p_ / middle) + q * (stats.norm.logpdf(GRID, m, s) - np.log(middle)), GRID)
    return js2, trapezoid(q * (stats.norm.logpdf(GRID, m, s) - np.log(p_)), GRID)


def log_ratio(x, m, s):
    return np.log(p(x)) - stats.norm.logpdf(x, m, s)


def expected_by_quadrature(density, of_logit, logits):
    return trapezoid(density * np.array([of_logit(np.array([[logit]])) for logit in logits]), GRID)


def the_value_of_the_game_is_the_jensen_shannon_divergence(code, backend):
    kernels, m, s = load(backend), 0.3, 1.1
    logits, zero = log_ratio(GRID, m, s), np.zeros((1, 1))
    of_zero = code.losses.cross_entropy(kernels, zero, 1)[0]

    def loss_of(real, fake):
        return code.losses.of_discriminator(kernels, "nonsaturating", real, fake)[0] - of_zero

    loss = expected_by_quadrature(p(GRID), lambda logit: loss_of(logit, zero), logits)
    loss += expected_by_quadrature(stats.norm.pdf(GRID, m, s), lambda logit: loss_of(zero, logit), logits)
    np.testing.assert_allclose(-loss, divergences(m, s)[0] - np.log(4), rtol=0, atol=1e-8)


def the_generators_descend_their_divergences(code, backend):
    """Saturating: 2 JS. Nonsaturating: KL(q || p) - 2 JS. With respect to (m, s), the discriminator held fixed."""
    kernels, m, s, h = load(backend), 0.3, 1.1, 1e-5
    z = GRID
    x = m + s * z
    logits = log_ratio(x, m, s)[:, None]
    dlog_ratio = (log_ratio(x + h, m, s) - log_ratio(x - h, m, s)) / (2 * h)
    towards = [(divergences(m + h, s), divergences(m - h, s)), (divergences(m, s + h), divergences(m, s - h))]
    djs2, dkl = np.array([np.subtract(*pair) / (2 * h) for pair in towards]).T
    for loss, expected in (("saturating", djs2), ("nonsaturating", dkl - djs2)):
        _, dlogits = code.losses.of_generator(kernels, loss, logits, logits)
        dx = len(z) * dlogits[:, 0] * dlog_ratio * stats.norm.pdf(z)
        got = trapezoid(dx, z), trapezoid(dx * z, z)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-8, err_msg=loss)


def a_discriminator_of_cells_learns_the_log_ratio(code, backend):
    """With one logit per cell, the loss has its minimum at log p_i / q_i."""
    p_, q = np.array([1, 2, 3, 4]), np.array([4, 3, 1, 2])
    gan = code.GAN(4, (), 4, "nonsaturating", "none", dtype="float64", backend=backend)
    vector, cells = gan.discriminator.store.vector, np.eye(4)
    gan.parameters["generator.output.W"][...], gan.parameters["generator.output.b"][...] = cells, 0

    def loss(values):
        vector[...] = values
        value, _ = gan.discriminator_pass(np.repeat(cells, p_, axis=0), np.repeat(cells, q, axis=0))
        return value, gan.discriminator.store.gradient.copy()

    optimize.minimize(loss, np.zeros(5), jac=True, method="BFGS", options={"gtol": 1e-10})
    np.testing.assert_allclose(gan.discriminate(cells), np.log(p_ / q), atol=1e-6)


def no_gradient_where_fakes_are_real(code, backend):
    """At p = q and D = 1/2 everywhere nobody wants to move, and the loss is log 4; of pairs, log 2."""
    for loss, value in (("nonsaturating", np.log(4)), ("relativistic", np.log(2))):
        gan, _, z, _ = game(code, backend, loss=loss, penalty="none")
        gan.parameters["discriminator.output.W"][...] = gan.parameters["discriminator.output.b"][...] = 0
        got, _ = gan.discriminator_pass(gan.generator.forward(z)[0], z)
        np.testing.assert_allclose(got, value, rtol=1e-12)
        np.testing.assert_allclose(gan.discriminator.store.gradient, 0, atol=1e-14)


def exact_at_logits_of_800(code, backend):
    """Where a probability rounds to 0 or 1 the loss is the logit, and its gradient is -1, 0 or 1."""
    kernels = load(backend)
    for dtype in ("float32", "float64"):
        low, high = (np.full((2, 1), sign * 800, dtype) for sign in (-1, 1))
        for real, fake, value, dreal, dfake in ((high, low, 0, 0, 0), (low, high, 1600, -0.5, 0.5)):
            got = code.losses.of_discriminator(kernels, "nonsaturating", real, fake)
            for mine, expected in zip(got, (value, dreal, dfake), strict=True):
                np.testing.assert_array_equal(mine, expected * np.ones_like(mine))
        for loss, value, dfake in (("nonsaturating", 800, -0.5), ("saturating", 0, 0), ("relativistic", 1600, -0.5)):
            got = code.losses.of_generator(kernels, loss, high, low)
            for mine, expected in zip(got, (value, dfake), strict=True):
                np.testing.assert_array_equal(mine, expected * np.ones_like(mine))


def penalties_of_a_linear_discriminator_are_known(code, backend):
    """D(x) = w x + b has the slope w everywhere: the penalty is gamma/2 |w|^2, or twice that with R2."""
    for penalty, times in (("none", 0), ("r1", 1), ("r1-r2", 2), ("approximate-r1", 1)):
        gan = code.GAN(D, (), K, penalty=penalty, gamma=3.0, dtype="float64", backend=backend)
        n = 20_000 if penalty == "approximate-r1" else B
        x, z, noise = (np.random.default_rng(0).standard_normal((n, width)) for width in (D, K, D))
        squared = np.sum(gan.parameters["discriminator.output.W"] ** 2)
        got = gan.discriminator_pass(x, z, noise)[1]
        error = 5 * np.sqrt(2 / n) if penalty == "approximate-r1" else 1e-12  # (w noise)^2 is chi-squared
        np.testing.assert_allclose(got, times * 3.0 / 2 * squared, rtol=error)


def a_step_of_the_generator_raises_the_logits_of_its_fakes(code, backend):
    for loss in ("nonsaturating", "saturating", "relativistic"):
        gan, x, z, _ = game(code, backend, loss=loss)
        before = gan.discriminate(gan.generator.forward(z)[0]).mean()
        gan.generator_pass(x, z)
        SGD(1e-3, momentum=0).step(gan.generator)
        assert gan.discriminate(gan.generator.forward(z)[0]).mean() > before, loss


PROOFS = (
    gradients_of_the_discriminator,
    gradients_of_the_generator,
    the_value_of_the_game_is_the_jensen_shannon_divergence,
    the_generators_descend_their_divergences,
    a_discriminator_of_cells_learns_the_log_ratio,
    no_gradient_where_fakes_are_real,
    exact_at_logits_of_800,
    penalties_of_a_linear_discriminator_are_known,
    a_step_of_the_generator_raises_the_logits_of_its_fakes,
)
