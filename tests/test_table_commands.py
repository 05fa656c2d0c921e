"""A table with categories, counts and holes through the commands, and the same as methods."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from minivae import VAE, Columns, Gaussian, Mixed, Scaling, VariationalAutoencoder, datasets, fit
from minivae.model import oddness
from minivae.model.importance import log_likelihood

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.peers
N = 80
SMALL = ["--hidden", "8", "--latent", "2", "--epochs", "3", "--batch-size", "16", "--no-pictures"]


def table(n=N, seed=0):
    """Rows with an id, a category, a yes or no, a count, and two reals of which the second follows the first."""
    rng = np.random.default_rng(seed)
    a = rng.normal(50, 5, n)
    frame = pd.DataFrame(
        {
            "id": [f"p{k:03d}" for k in range(n)],
            "island": np.where(a > 52, "Torgersen", np.where(a > 48, "Dream", "Biscoe")),
            "ok": rng.choice(["yes", "no"], n),
            "visits": rng.poisson(3, n),
            "a": a.round(2),
            "b": (2 * a + rng.normal(0, 1, n)).round(3),
        }
    )
    for k, name in enumerate(["island", "ok", "a", "b"]):
        frame[name] = frame[name].astype(object)
        frame.loc[rng.choice(n, 6, replace=False), name] = None
        frame.loc[k, name] = None
    return frame.astype({"a": float, "b": float})


@pytest.fixture
def run(minivae):
    """A run on table.csv, and what the command said."""
    table().to_csv("table.csv", index=False)
    status, out, err = minivae("train", "--data", "table.csv", "--drop", "id", "--out", "run", *SMALL)
    assert status == 0, err
    return out


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_five_commands(minivae, run):
    for words in (
        "columns     island  category  'Biscoe', 'Dream', 'Torgersen'",
        "likelihood  mixed (auto",
        "id      drop",
    ):
        assert words in run
    for command in (
        ["score", "--data", "table.csv", "--samples", 20, "--out", "scores.csv"],
        ["impute", "--data", "table.csv", "--out", "filled.csv"],
        ["impute", "--data", "table.csv", "--draws", 2, "--out", "drawn.csv"],
        ["reconstruct", "--data", "table.csv", "--out", "again.csv"],
        ["sample", "-n", 7, "--out", "new.csv"],
        ["evaluate", "--samples", 5],
        ["encode", "--data", "table.csv", "--out", "z.npy"],
    ):
        status, out, err = minivae(command[0], "run", *command[1:], "--json")
        assert (status, "error" in err) == (0, False), err
        json.loads(out)
    given, filled, drawn = rows_of("table.csv"), rows_of("filled.csv"), rows_of("drawn.csv")
    for old, new in zip(given * 3, [*filled, *drawn], strict=True):
        assert all(new[name] == text if text else new[name] != "" for name, text in old.items())
    assert [row["draw"] for row in drawn] == ["0"] * N + ["1"] * N
    assert list(filled[0]) == list(given[0])
    assert drawn[:N] != drawn[N:]
    scores = rows_of("scores.csv")
    assert list(scores[0])[:4] == ["log_px", "standard_error", "effective_sample_size", "quantile"]
    assert list(scores[0])[4:] == ["odd_1", "odd_1_nats", "odd_2", "odd_2_nats", "odd_3", "odd_3_nats"]
    assert all(0 <= float(row["quantile"]) <= 1 for row in scores)
    assert {row["odd_1"] for row in scores} <= {"island", "ok", "visits", "a", "b"}
    again, new = rows_of("again.csv"), rows_of("new.csv")
    assert [row["id"] for row in again] == [row["id"] for row in given]
    assert all(row["visits"].isdigit() and row["ok"] in ("yes", "no") for row in [*again, *new])
    assert (len(new), list(new[0])) == (7, ["island", "ok", "visits", "a", "b"])


def test_the_commands_are_the_methods(minivae, run):
    vae, frame = VAE.load("run/model.safetensors"), table()
    own = datasets.load("table.csv", columns={"id": "drop"})
    minivae("score", "run", "--data", "table.csv", "--samples", 20, "--seed", 5, "--out", "scores.npz")
    minivae("reconstruct", "run", "--data", "table.csv", "--out", "again.npy")
    minivae("impute", "run", "--data", "table.csv", "--out", "filled.npy", "--seed", 3)
    assert vae.columns.config() == own.schema.config()
    assert json.loads(Path("run/config.json").read_text())["columns"] == json.loads(json.dumps(own.schema.config()))
    x = vae.columns.encode({name: frame[name].to_numpy() for name in frame})
    scores, expected = np.load("scores.npz", allow_pickle=True), vae.score(x, own.train, 20, 5)
    for name, values in expected.items():
        np.testing.assert_array_equal(scores[name], values)
    np.testing.assert_array_equal(expected["log_px"], log_likelihood(vae, vae.check(x), 20, 5).log_px)
    np.testing.assert_array_equal(np.load("again.npy"), vae.reconstruct(x))
    np.testing.assert_array_equal(np.load("filled.npy"), vae.impute(x, seed=3))


@pytest.mark.slow
def test_a_run_goes_on_with_its_columns_and_no_others(minivae, run):
    short = [*SMALL[:4], "--epochs", 5, *SMALL[6:]]
    for option in ("--drop", "--columns"):
        value = "id" if option == "--drop" else "id=drop"
        status, _, err = minivae("train", "--data", "table.csv", option, value, *short, "--out", f"whole{option}")
        assert status == 0, err
    weights = [VAE.load(f"whole{option}/model.safetensors").store.vector for option in ("--drop", "--columns")]
    np.testing.assert_array_equal(*weights)
    assert minivae("train", "--resume", "--out", "run", "--epochs", 5)[0] == 0
    np.testing.assert_array_equal(VAE.load("run/model.safetensors").store.vector, weights[0])
    status, _, err = minivae("train", "--resume", "--out", "run", "--columns", "visits=real", "--epochs", 6)
    assert (status, "--columns none, not visits=real" in err) == (2, True)


def test_new_files_are_refused_with_the_cell_and_outputs_are_no_inputs(minivae, run):
    frame = table()
    empty = frame.astype(object)
    empty.loc[1] = None
    bad = {
        "level.csv": (
            frame.assign(island="Mars"),
            "row 2, column 2 (island): training saw no level 'Mars' of 'island'",
        ),
        "count.csv": (
            frame.assign(visits=-1),
            "row 2, column 4 (visits): a column of kind 'count' holds 0, 1, 2, ..., got",
        ),
        "empty.csv": (empty, "row 3 holds no value"),
        "less.csv": (frame.drop(columns="a"), "no column 'a'"),
        "more.csv": (frame.assign(c=1), "a column 'c'"),
        "text.csv": (frame.assign(b="x"), "row 2, column 6 (b): a column of kind 'real' holds finite numbers, got 'x'"),
    }
    for name, (content, words) in bad.items():
        content.to_csv(name, index=False)
        for command in ("score", "impute", "reconstruct"):
            status, _, err = minivae(command, "run", "--data", name, "--out", "out.csv")
            assert status == 2, name
            assert words in err
    for out, words in (
        ("table.csv", "would be written over"),
        ("run/history.csv", "over run"),
        ("x.txt", "must end in"),
    ):
        status, _, err = minivae("impute", "run", "--data", "table.csv", "--out", out)
        assert (status, words in err) == (2, True), err
    assert minivae("sample", "run", "--out", "table.csv")[0] == 2
    status, _, err = minivae("train", "--data", "table.csv", *SMALL)
    assert (status, "column 'id' holds 80 different values in 80 rows" in err, "--drop id" in err) == (2, True, True)
    status, _, err = minivae("train", "--data", "table.csv", "--columns", "id", *SMALL)
    assert (status, "expected columns and their kinds such as zip=category,id=drop" in err) == (2, True)


def test_a_table_of_numbers_trains_to_the_same_bits_as_ever_and_takes_holes_afterwards(minivae):
    rng = np.random.default_rng(0)
    x = np.column_stack([np.arange(60), rng.normal(size=(60, 2)).round(3), rng.integers(0, 5, 60)])
    pd.DataFrame(x, columns=["id", "a", "b", "n"]).astype({"id": int, "n": int}).to_csv("x.csv", index=False)
    assert minivae("train", "--data", "x.csv", "--drop", "id", *SMALL, "--out", "run")[0] == 0
    train = datasets.load("x.csv", drop=["id"]).train
    vae = VAE(3, (8,), 2, likelihood="gaussian", scaling=Scaling.of("standard", train))
    fit(vae, train, epochs=3, batch_size=16, progress=False)
    found = VAE.load("run/model.safetensors")
    np.testing.assert_array_equal(found.store.vector, vae.store.vector)
    assert repr(found.likelihood) == repr(Gaussian())
    with open("holes.csv", "w") as file:
        file.write("n,b,a,id\n3,,0.5,77\n")
    assert minivae("impute", "run", "--data", "holes.csv", "--out", "filled.csv")[0] == 0
    row = rows_of("filled.csv")[0]
    assert (list(row), row["n"], row["a"], row["id"]) == (["n", "b", "a", "id"], "3", "0.5", "77")
    expected = vae.impute([[0.5, np.nan, 3]])[0, 1]
    assert float(row["b"]) == pytest.approx(expected, rel=1e-5)
    np.save("holes.npy", [[0.5, np.nan, 3]])
    assert minivae("impute", "run", "--data", "holes.npy", "--out", "filled.npz")[0] == 0
    np.testing.assert_array_equal(np.load("filled.npz")["x"], vae.impute([[0.5, np.nan, 3]]))


# -- methods -------------------------------------------------------------------------------------------------


def test_frames_go_in_and_come_out_of_a_vae(tmp_path):
    frame = table()
    columns = Columns.of(frame, {"id": "drop"})
    x = columns.encode(frame)
    mixed = Mixed(columns.parts)
    vae = VAE(columns.width, (8,), 2, likelihood=mixed, scaling=Scaling.of("standard", x, likelihood=mixed))
    vae.columns = columns
    fit(vae, frame, epochs=2, progress=False)
    np.testing.assert_array_equal(vae.encode(frame)[0], vae.encode(x)[0])
    assert vae.loss(frame) == vae.loss(x)
    np.testing.assert_array_equal(vae.log_likelihood(frame, 5), vae.log_likelihood(x, 5))
    again, new, filled = vae.reconstruct(frame), vae.sample(4, draw=True), vae.impute(frame)
    assert [*again.dtypes] == [*filled.dtypes] == [*frame.dtypes]
    assert [*new.columns] == [*frame.columns[1:]]
    assert not filled.isna().any().any()
    for name in frame:
        known = frame[name].notna()
        pd.testing.assert_series_equal(filled[name][known], frame[name][known])
    assert len(vae.impute(frame, n_draws=2)) == 2
    scores = vae.score(frame, frame, n_samples=5)
    assert [*scores.columns[:5]] == ["log_px", "standard_error", "effective_sample_size", "quantile", "odd_1"]
    vae.save(tmp_path / "vae.safetensors")
    pd.testing.assert_frame_equal(VAE.load(tmp_path / "vae.safetensors").reconstruct(frame), again)


def test_the_estimator_takes_frames_in_a_pipeline_and_a_search():
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    frame = table()
    options = {"hidden_dims": (8,), "max_iter": 2, "n_importance_samples": 5, "random_state": 0}
    estimator = VariationalAutoencoder(columns={"id": "drop"}, **options)
    search = GridSearchCV(make_pipeline(estimator), {"variationalautoencoder__latent_dim": [1, 2]}, cv=2).fit(frame)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_[-1]
    assert best.columns_.kept[0].kind == "category"
    assert list(best.feature_names_in_) == list(frame.columns)
    assert best.transform(frame).shape == (N, search.best_params_["variationalautoencoder__latent_dim"])
    filled, again = best.impute(frame), best.reconstruct(frame)
    assert not filled.isna().any().any()
    assert [*again.columns] == [*frame.columns]
    assert [*best.inverse_transform(best.transform(frame)).columns] == [*best.sample(3).columns] == [*frame.columns[1:]]
    scores = best.score_rows(frame)
    np.testing.assert_array_equal(scores["log_px"], log_likelihood(
        best.model_, best.model_.check(frame), 5, best.model_.seed).log_px)  # fmt: skip
    with pytest.raises(TypeError, match="expected a DataFrame or a mapping"):
        best.transform(np.zeros((3, 6)))


def test_the_estimator_takes_nan_and_leaves_numbers_as_they_were():
    x = np.random.default_rng(0).normal(size=(50, 3))
    options = {"hidden_dims": (5,), "max_iter": 2, "random_state": 0}
    plain, framed = (VariationalAutoencoder(**options).fit(data) for data in (x, pd.DataFrame(x, columns=list("abc"))))
    np.testing.assert_array_equal(plain.model_.store.vector, framed.model_.store.vector)
    assert framed.columns_ is None
    x[3, 1] = np.nan
    estimator = VariationalAutoencoder(**options).fit(x)
    filled = estimator.impute(x)
    np.testing.assert_array_equal(filled, estimator.model_.impute(x, seed=estimator.model_.seed))
    np.testing.assert_array_equal(np.delete(filled, 3, 0), np.delete(x, 3, 0))
    assert np.isfinite(filled).all()
    assert VariationalAutoencoder(**options).fit(np.where(x > 0, 1, np.where(x <= 0, 0, x))).model_.likelihood.name == (
        "bernoulli"
    )


# -- which columns are odd -----------------------------------------------------------------------------------


def test_the_contribution_of_a_column_is_its_conditional_density_exactly():
    """x = w z + b + noise with one latent, so that p(x_j | others) is a Gaussian in closed form; q is the prior."""
    vae = VAE(3, (), 1, likelihood=Gaussian("per_dimension"), dtype="float64")
    vae.store.vector[...] = 0
    w, b, variance = np.array([1.0, -0.5, 2.0]), np.array([0.2, 0.0, -1.0]), np.array([0.5, 0.3, 0.8])
    vae.parameters["decoder.output.W"][...], vae.parameters["decoder.output.b"][...] = w[None], b
    vae.parameters["decoder.output.logvar"][...] = np.log(variance)
    x = np.array([[1.0, 0.5, 1.0], [0.0, np.nan, 1.0], [-0.5, 0.3, -1.5]])
    oddness_samples, oddness.SAMPLES_OF_A_COLUMN = oddness.SAMPLES_OF_A_COLUMN, 1000
    try:
        found = oddness.contributions(vae, x, [1, 1, 1], 0)
    finally:
        oddness.SAMPLES_OF_A_COLUMN = oddness_samples
    covariance = np.outer(w, w) + np.diag(variance)
    for i, row in enumerate(x):
        for j in range(3):
            o = [k for k in range(3) if k != j and not np.isnan(row[k])]
            gain = covariance[j, o] @ np.linalg.inv(covariance[np.ix_(o, o)])
            mean, var = b[j] + gain @ (row[o] - b[o]), covariance[j, j] - gain @ covariance[o, j]
            expected = 0.5 * np.log(2 * np.pi * var) + 0.5 * (row[j] - mean) ** 2 / var
            np.testing.assert_allclose(found[i, j], expected, atol=0.1)
