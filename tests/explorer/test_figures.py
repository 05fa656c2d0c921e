"""The moving figures of the lessons: their numbers are those of kernels/reference.py, and they stand alone."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from minivae import VAE
from minivae.kernels import reference

LESSONS = Path(__file__).parents[2] / "lessons"
FIGURES = sorted((LESSONS / "figures" / "moving").glob("*.html"))
each_figure = pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
X_SEEN, NOISE = 1.5, 0.5  # the detector of lesson 5


@pytest.fixture
def figure(opened):
    """A function that opens the figure of a lesson."""
    return lambda number, **how: opened(LESSONS / "figures" / "moving" / f"{number}.html", **how)


@each_figure
def test_a_figure_has_its_files_its_lesson_and_a_picture_for_those_without_scripts(path):
    links = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: links.append((tag, dict(attributes)))
    parser.feed(path.read_text(encoding="utf-8"))
    targets = [attributes.get("src", attributes.get("href")) for _, attributes in links]
    assert all((path.parent / target).is_file() for target in targets if target)
    assert [attributes["alt"] for tag, attributes in links if tag == "img"] != []
    (lesson,) = [target for target in targets if target and target.endswith(".md")]
    assert f"(figures/moving/{path.name})" in (path.parent / lesson).read_text(encoding="utf-8")
    assert not re.search(r"https?:", path.with_suffix(".js").read_text(encoding="utf-8"))


@pytest.mark.slow
@each_figure
def test_a_figure_asks_for_its_own_files_and_moves_with_the_keyboard(path, opened):
    tab = opened(path, width=400)
    assert all(url.startswith(path.parent.as_uri()) for url in tab.asked)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400
    before = tab.inner_text("#numbers")
    reached = set()
    for _ in range(tab.locator("canvas[tabindex], input, button:enabled, a").count()):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.id || document.activeElement.href"))
        tab.keyboard.press("ArrowRight")
    assert len(reached) >= tab.locator("canvas[tabindex], input, a").count()
    tab.wait_for_timeout(100)
    assert tab.inner_text("#numbers") != before


@pytest.mark.slow
@pytest.mark.parametrize("number", ["00", "06"])
def test_axe_finds_no_serious_fault(figure, serious_faults, number):
    assert serious_faults(figure(number)) == []


@pytest.mark.slow
def test_the_map_decodes_as_the_reference(figure):
    text = (LESSONS / "figures" / "moving" / "00-model.js").read_text(encoding="utf-8")
    model = json.loads(text.removeprefix("const MODEL = ").rstrip(";\n"))
    arrays = {name: np.frombuffer(base64.b64decode(data), "<f4") for name, data in model.items() if name != "labels"}
    z = np.random.default_rng(0).normal(size=(20, 2))
    sizes = {"decoder.hidden.0": ((2, 64), "relu"), "decoder.output": ((64, 64), "identity")}
    h = z
    for name, (shape, activation) in sizes.items():
        W = arrays[f"{name}.W"].reshape(shape).astype(float)
        h = reference.linear_forward(h, W, arrays[f"{name}.b"].astype(float), activation)
    found = figure("00").evaluate("zs => zs.map((z) => numbers(...z))", z.tolist())
    np.testing.assert_allclose(found, reference.bernoulli_mean(h), rtol=0, atol=1e-12)


def log_likelihood(z, x=X_SEEN):
    """log p(x|z) of the detector, by the reference."""
    z = np.atleast_1d(z)
    return -reference.gaussian_nll(z[:, None] ** 2, np.log([NOISE**2]), np.full((len(z), 1), x))[0]


def evidence(x):
    return integrate.quad(lambda z: stats.norm.pdf(z) * np.exp(log_likelihood(z, x)[0]), -9, 9, points=[-1, 1])[0]


@pytest.mark.slow
@pytest.mark.parametrize("x", [-0.4, 0.2, 1.5, 3.0])
def test_the_posterior_of_the_detector(figure, x):
    found = figure("05").evaluate("numbers", x)
    assert found["px"] == pytest.approx(evidence(x), rel=1e-6)
    grid = np.linspace(-14, 14, 5601)
    exact = stats.norm.pdf(grid) * np.exp(log_likelihood(grid, x)) / evidence(x)
    np.testing.assert_allclose(found["posterior"], exact, rtol=1e-6, atol=1e-12)
    humps = np.sqrt(max(0, x - NOISE**2 / 2))  # where the derivative of log p(x, z), z (8 x - 8 z^2 - 1), is zero
    assert found["highest"] == pytest.approx(humps, abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize(("mu", "std"), [(1.11, 0.23), (0.0, 0.73), (-2.0, 2.0)])
def test_the_bound_and_the_gap_of_the_detector(figure, mu, std):
    found = figure("06").evaluate("([mu, std]) => numbers(mu, std)", [mu, std])
    kl = reference.gaussian_kl_forward(np.array([[mu]]), np.array([[2 * np.log(std)]]))
    q = stats.norm(mu, std)
    recon_nll = -integrate.quad(lambda z: q.pdf(z) * log_likelihood(z)[0], mu - 9 * std, mu + 9 * std)[0]
    assert found["kl"] == pytest.approx(kl[0], abs=1e-6)
    assert found["reconNll"] == pytest.approx(recon_nll, rel=1e-6)
    assert found["elbo"] + found["gap"] == pytest.approx(np.log(evidence(X_SEEN)), abs=1e-6)
    assert found["gap"] > 0


@pytest.mark.slow
def test_the_products_of_a_linear_layer(figure):
    tab = figure("02")
    found = tab.evaluate("({...numbers(), x, W, b, given: dy})")
    x, W, b, dy = (np.array(found[name], float) for name in ("x", "W", "b", "given"))
    np.testing.assert_array_equal(found["y"], reference.linear_forward(x, W, b[0]))
    for name, expected in zip(("dx", "dW", "db"), reference.linear_backward(dy, x, W), strict=True):
        np.testing.assert_array_equal(found[name], np.atleast_2d(expected))
    for name, row, column in (("dx", 2, 0), ("db", 0, 1), ("y", 1, 1)):
        tab.click(f"#{name}-{row}-{column}")
        shown = tab.inner_text("#numbers")
        terms = re.search(": (.*) =", shown)[1].replace("(", "").replace(")", "").split(" + ")
        total = sum(np.prod([float(part) for part in term.split(" * ")]) for term in terms)
        assert total == found[name][row][column]


@pytest.mark.slow
@pytest.mark.parametrize(("mu", "std"), [(1.0, 0.5), (-0.5, 1.7), (0.0, 1.0)])
def test_the_gaussian_kl(figure, mu, std):
    found = figure("07").evaluate("([mu, std]) => numbers(mu, std)", [mu, std])
    arrays = np.array([[mu]]), np.array([[2 * np.log(std)]])
    kl = reference.gaussian_kl_forward(*arrays)[0]
    assert (found["kl"], found["area"], found["move"] + found["width"]) == pytest.approx((kl, kl, kl), abs=1e-6)
    assert found["kl"] == pytest.approx(kl, abs=1e-14)
    dmu, dlogvar = reference.gaussian_kl_backward(np.ones(1), *arrays)
    assert (found["dmu"], found["dlogvar"]) == pytest.approx((dmu.item(), dlogvar.item()), abs=1e-14)


@pytest.mark.slow
def test_the_two_estimators_of_the_detector(figure):
    eps = np.random.default_rng(0).normal(size=(40, 1))
    mu, logvar, step = np.ones((40, 1)), np.full((40, 1), np.log(0.25)), 0.3
    z = reference.reparameterize_forward(mu, logvar, eps)
    slope = reference.gaussian_nll(z**2, np.log([NOISE**2]), np.full((40, 1), X_SEEN), np.ones(40))[1]
    dmu, _ = reference.reparameterize_backward(-slope * 2 * z, logvar, eps)
    weights = stats.norm.pdf(z, 1 + step, 0.5) / stats.norm.pdf(z, 1, 0.5)
    f = log_likelihood(z[:, 0])
    found = figure("08").evaluate("([eps, step]) => numbers(eps, step)", [eps[:, 0].tolist(), step])
    np.testing.assert_allclose(found["weights"], weights[:, 0], rtol=1e-10)
    assert found["pathwise"] == pytest.approx(dmu.mean())
    assert found["score"] == pytest.approx(np.mean(f * eps[:, 0] / 0.5))
    assert found["weighed"] == pytest.approx(np.mean(weights[:, 0] * f))
    assert found["moved"] == pytest.approx(np.mean(log_likelihood(z[:, 0] + step)))
    assert found["slope"] == pytest.approx(-2)  # what lesson 8 finds
    q = stats.norm(1 + step, 0.5)
    assert found["exact"] == pytest.approx(
        integrate.quad(lambda z: q.pdf(z) * log_likelihood(z)[0], -4, 6)[0], abs=1e-6
    )


@pytest.mark.slow
def test_the_fork_has_the_numbers_of_the_model(figure):
    tab = figure("09")
    start = tab.evaluate("START")
    vae = VAE(1, (1,), 1, activation="tanh", beta=start["beta"], dtype="float64")
    names = {"W_enc": "encoder.hidden.0", "W_mu": "encoder.mu", "W_logvar": "encoder.logvar"}
    names |= {"W_dec": "decoder.hidden.0", "W_out": "decoder.output"}
    for short, name in names.items():
        vae.parameters[f"{name}.W"], vae.parameters[f"{name}.b"] = start[short], 0.0
    terms = vae.loss_and_gradients([[start["x"]]], [[start["eps"]]])
    found = tab.evaluate("numbers(START)")
    assert found["loss"] == pytest.approx(terms.loss, rel=1e-12)
    assert (found["recon_nll"], found["kl"]) == pytest.approx((terms.recon_nll, terms.kl), rel=1e-12)
    for short, name in names.items():
        assert found["weights"][short] == pytest.approx(vae.gradients[f"{name}.W"].item(), rel=1e-12), short
    while tab.is_enabled("#after"):
        tab.click("#after")
    assert f"dW_mu = {found['weights']['W_mu']:.3f}" in tab.inner_text("#numbers")
    while tab.is_enabled("#before"):
        tab.click("#before")
    assert tab.inner_text("#numbers").startswith("1 of ")
