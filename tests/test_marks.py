"""The marks beside a score are what scikit-learn and closed forms say, in the units of the data."""

import json

import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA

from minivae import VAE, Adam, Categorical, Cosine, Gaussian, Scaling, datasets, fit, marks
from minivae.evaluation import active_units

RNG = np.random.default_rng(0)


def test_pca_and_the_constant_of_real_numbers():
    train, test = RNG.normal(size=(90, 5)) @ RNG.normal(size=(5, 5)) * 7 + 3, RNG.normal(size=(20, 5)) * 9
    for kind in ("none", "standard"):
        scaling = Scaling.of(kind, train)
        vae = VAE(5, (), 2, likelihood="gaussian", scaling=scaling, dtype="float64")
        scale = marks.scale_of(vae, vae.check(train), vae.check(test), 1.5)
        volume = scaling.log_volume()
        pca = PCA(2).fit(scaling.apply(train))
        assert scale["pca"] == pytest.approx(volume - pca.score(scaling.apply(test)))
        gaussian = stats.multivariate_normal(scaling.apply(train).mean(0), pca.get_covariance())
        assert scale["pca"] == pytest.approx(volume - gaussian.logpdf(scaling.apply(test)).mean())
        columns = stats.norm(train.mean(0), train.std(0)).logpdf(test).sum(1).mean()
        assert scale["constant"] == pytest.approx(-columns)
        assert (scale["model"], scale["floor"]) == (1.5, None)


def test_pixels_have_a_floor_and_categories_frequencies():
    x = RNG.random((40, 6))
    scale = marks.scale_of(VAE(6, (), 2, dtype="float64"), x, x[:7], 1.0)
    p = np.clip(x.mean(0), 0.001, 0.999)
    assert scale["constant"] == pytest.approx(-(x[:7] * np.log(p) + (1 - x[:7]) * np.log(1 - p)).sum(1).mean())
    assert scale["floor"] == pytest.approx(stats.bernoulli.entropy(x[:7]).sum(1).mean())
    assert scale["pca"] is None
    assert marks.scale_of(VAE(6, (), 2), x, x[:7].round(), 1.0)["floor"] is None
    one_hot = np.eye(3)[[0, 0, 1, 2]]
    vae = VAE(3, (), 2, likelihood=Categorical(), dtype="float64")
    assert marks.scale_of(vae, one_hot, one_hot[:1], 1.0)["constant"] == pytest.approx(np.log(2))


def test_what_has_no_mark_is_none():
    x = RNG.normal(size=(30, 4))
    x[:, 2] = 5
    vae = VAE(4, (), 2, likelihood="gaussian")
    assert marks.scale_of(vae, vae.check(x), vae.check(x), 1.0)["constant"] is None  # a constant column has no density
    plane = VAE(4, (), 4, likelihood="gaussian")
    assert marks.scale_of(plane, plane.check(x), plane.check(x), 1.0)["pca"] is None
    assert marks.scale_of(vae, None, vae.check(x), 1.0) == {"constant": None, "pca": None, "model": 1.0, "floor": None}
    assert marks.error_of(np.ones(1)) is None


def test_train_and_evaluate_end_with_the_same_marks(minivae):
    fast = ["--hidden", "4", "--epochs", 2, "--latent", 2, "--no-pictures"]
    status, out, err = minivae("train", "--data", "wine", *fast)
    assert status == 0, err
    scale, after = out.splitlines()[-2:]
    assert scale.startswith("scale       this model ")  # the worst first
    assert "constant 22.801, PCA " in scale
    assert after.split() == ["next", "minivae", "report", "runs/wine"]
    trained = json.loads(minivae("train", "--data", "wine", *fast, "--json")[1])
    status, out, _ = minivae("evaluate", "runs/wine", "--samples", 10, "--json")
    evaluated = json.loads(out)
    assert trained["scale"]["model"] == pytest.approx(-trained["test"]["elbo"])
    assert evaluated["scale"]["model"] == pytest.approx(-evaluated["log_likelihood"])
    for name in ("constant", "pca", "floor"):
        assert trained["scale"][name] == evaluated["scale"][name]
    data = datasets.load("wine")
    vae = VAE.load("runs/wine/model.safetensors")
    assert trained["scale_error"] == pytest.approx(
        marks.bounds(vae, vae.check(data.test)).std(ddof=1) / 18**0.5, rel=0.3
    )


@pytest.mark.slow
def test_the_live_dimensions_of_a_linear_vae_are_those_predicted():
    """Eigenvalues of the covariance above beta sigma^2, for eight settings on one set of data."""
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    white = rng.normal(size=(500, 8))
    white = (white - white.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T, bias=True))).T
    x = white * np.sqrt([9, 6, 4, 2.5, 1.5, 0.8, 0.3, 0.1]) @ rotation
    found, predicted = [], []
    for beta, variance in ((1, 0.2), (1, 1), (2, 1), (5, 1), (10, 0.5), (0.5, 1), (4, 1.25), (12, 1)):
        vae = VAE(8, (), 6, likelihood=Gaussian(float(variance)), beta=float(beta), dtype="float64")
        fit(vae, x, epochs=200, batch_size=250, optimizer=Adam(0.03), schedule=Cosine(200), progress=False)
        found.append(int(active_units(vae, x, 0.05).active.sum()))
        predicted.append(marks.live_dimensions(x, 6, beta * variance))
    assert found == predicted == [6, 5, 4, 2, 2, 6, 2, 0]


def test_live_dimensions_are_eigenvalues_above_the_threshold():
    x = np.concatenate([np.diag([3.0, 2, 1]), -np.diag([3.0, 2, 1])]) + 5  # eigenvalues 3, 4/3, 1/3
    found = [marks.live_dimensions(x, 2, threshold) for threshold in (0.3, 0.34, 1.3, 1.4, 2.9, 3.1)]
    assert found == [2, 2, 2, 1, 1, 0]
    assert marks.live_dimensions(x, 5, 0.3) == 3
