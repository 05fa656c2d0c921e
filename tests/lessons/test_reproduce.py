"""The ledger and what makes it: the schedule of the paper, runs that are cut and go on, the table, the twin."""

import json
import shutil
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

import reproduce
from minivae import checkpoint
from minivae.datasets import Dataset

LESSONS = Path(__file__).parents[2] / "lessons"


# ---- the schedule


def test_the_stages_are_those_of_the_paper():
    rates = [reproduce.RATE * reproduce.SCHEDULE(epoch) for epoch in range(sum(reproduce.EPOCHS))]
    stages = [(rate, len(list(same))) for rate, same in groupby(rates)]
    assert [epochs for _, epochs in stages] == [1, 3, 9, 27, 81, 243, 729, 2187]
    assert [rate for rate, _ in stages] == pytest.approx([0.001 * 10 ** (-i / 7) for i in range(8)], rel=1e-12)
    assert rates[-1] == pytest.approx(1e-4, rel=1e-12)


def test_the_full_budget_is_the_number_of_steps_of_the_released_code():
    epochs = {name: sum(reproduce.EPOCHS[: budget.stages]) for name, budget in reproduce.BUDGETS.items()}
    assert epochs == {"smoke": 4, "short": 40, "medium": 121, "full": 3280}
    steps = Fraction(reproduce.BUDGETS["full"].rows, reproduce.BATCH) * epochs["full"]
    assert steps == 9_774_400
    assert {budget.rows for name, budget in reproduce.BUDGETS.items() if name != "smoke"} == {59_600}
    assert reproduce.BUDGETS["full"][2:] == (5000, 10_000)


# ---- runs


def digits():
    """Of MNIST's shape, and nothing to learn in them: 300 grey rows, and 60."""
    x = np.random.default_rng(0).random((360, 784), dtype=np.float32) ** 4
    return Dataset("noise", x[:300], x[300:])


def run(folder, row="burda-iwae-k5", twin=False):
    return reproduce.reproduce(row, "smoke", 3, twin, folder, digits())


def figures(entry):
    return {name: value for name, value in entry.items() if name != "minutes"}


def bytes_of(folder):
    (file,) = folder.glob("*/checkpoint.safetensors")
    vae, _ = checkpoint.load_training(file)
    return vae.store.vector.tobytes(), *(array.tobytes() for array in vae.optimizer.state_of(vae).arrays.values())


def cut_after(epochs, monkeypatch):
    """Ctrl-C, once the checkpoint of that epoch is written."""
    keep = reproduce.keep

    def kept_then_cut(place, since, vae, epoch, metrics):
        keep(place, since, vae, epoch, metrics)
        if epoch == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(reproduce, "keep", kept_then_cut)


def is_cut_and_goes_on(tmp_path, monkeypatch, **how):
    whole = run(tmp_path / "whole", **how)
    with monkeypatch.context() as patch:
        cut_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut", **how)
    assert figures(run(tmp_path / "cut", **how)) == figures(whole)
    assert bytes_of(tmp_path / "cut") == bytes_of(tmp_path / "whole")
    (history,) = (tmp_path / "cut").glob("*/history.jsonl")
    assert [json.loads(line)["epoch"] for line in history.read_text().splitlines()] == [1, 2, 3, 4]
    return whole


def test_a_run_that_was_cut_ends_with_the_same_figures(tmp_path, monkeypatch):
    entry = is_cut_and_goes_on(tmp_path, monkeypatch)
    assert entry["steps"] == 40
    assert entry["nll"] > 0


def test_a_run_that_is_done_is_not_trained_again_and_one_past_its_budget_is_refused(tmp_path, monkeypatch):
    first, again = run(tmp_path, "burda-vae-k1"), run(tmp_path, "burda-vae-k1")  # which has only to be evaluated
    assert figures(first) == figures(again)
    monkeypatch.setitem(reproduce.BUDGETS, "smoke", reproduce.BUDGETS["smoke"]._replace(stages=1))
    with pytest.raises(SystemExit, match=r"gone on to epoch 4, past the 1 of --budget smoke.*another --folder"):
        run(tmp_path, "burda-vae-k1")


@pytest.mark.peers
def test_a_twin_that_was_cut_ends_with_the_same_figures(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    assert is_cut_and_goes_on(tmp_path, monkeypatch, twin=True)["maker"] == "PyTorch"


@pytest.mark.peers
@pytest.mark.parametrize("name", ["burda-vae-k1", "burda-vae-k5", "burda-iwae-k5"])
def test_the_twin_has_the_loss_and_the_gradients_of_our_backward_pass(tmp_path, name):
    torch = pytest.importorskip("torch")
    import twin

    row, x = reproduce.ROWS[name], digits().train
    vae = reproduce.started(row, x, 3, tmp_path)
    x, eps = np.round(x[:20]), np.random.default_rng(0).standard_normal((20, row.draws, 50)).astype(np.float32)
    terms = vae.loss_and_gradients(x, eps[:, 0] if row.draws == 1 else eps)
    w, _ = twin.tensors_of(vae)
    of_twin = twin.loss(w, torch.from_numpy(x), torch.from_numpy(eps), row.objective)
    of_twin.backward()
    assert of_twin.item() == pytest.approx(terms.loss, rel=1e-5)
    for name, tensor in w.items():
        ours = vae.gradients[name]
        assert np.linalg.norm(tensor.grad.numpy() - ours) <= 1e-4 * np.linalg.norm(ours) + 1e-7, name


@pytest.mark.peers
def test_the_twin_steps_as_our_adam_does(tmp_path):
    torch = pytest.importorskip("torch")
    import twin

    vaes = [reproduce.started(reproduce.ROWS["burda-vae-k1"], digits().train, 3, tmp_path) for _ in range(2)]
    gradient = np.random.default_rng(0).standard_normal(vaes[0].store.vector.shape).astype(np.float32)
    (_, adam), views = twin.tensors_of(vaes[1]), vaes[1].store.views(gradient)[1]
    for _ in range(3):
        vaes[0].store.gradient[...] = gradient
        vaes[0].optimizer.step(vaes[0])
        for tensor, name in zip(adam.param_groups[0]["params"], vaes[1].parameters, strict=True):
            tensor.grad = torch.from_numpy(views[name].copy())
        adam.step()
    np.testing.assert_allclose(vaes[1].store.vector, vaes[0].store.vector, atol=1e-6)
    moments = [vae.optimizer.state_of(vae).arrays for vae in vaes]
    assert all(np.allclose(moments[1][name], moments[0][name], rtol=1e-5, atol=1e-8) for name in ("m", "v"))


@pytest.mark.peers
def test_the_twin_draws_pixels_anew_in_each_epoch_and_keeps_to_the_schedule(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    import twin

    row, x = reproduce.ROWS["burda-vae-k1"], digits().train[:40]
    vae, loss, seen, after = reproduce.started(row, x, 3, tmp_path), twin.loss, [], []
    monkeypatch.setattr(twin, "loss", lambda w, x, *rest: seen.append(x.numpy().copy()) or loss(w, x, *rest))
    start = vae.store.vector.copy()
    keep = [lambda vae, *_: after.append(vae.store.vector.copy())]
    twin.fit_by_torch(vae, x, 2, 20, 3, lambda epoch: float(epoch == 1), keep, row)
    assert np.array_equal(after[0], start)  # in the first epoch the rate is 0
    assert not np.array_equal(after[1], start)
    epochs = [np.sort(np.concatenate(pixels).sum(axis=1)) for pixels in (seen[:2], seen[2:])]
    assert not np.array_equal(*epochs)
    assert {0.0, 1.0} == set(np.unique(seen))


# ---- the ledger


def entry(row, seed, nll, maker="minivae", budget="short", **others):
    how = {"row": row, "budget": budget, "maker": maker, "seed": seed, "steps": 119_200, "draws": 1000}
    how |= {"test_images": 10_000, "active_units": 20 + seed, "nll": nll, "sampling_error": 0.01, "bias": 0.02}
    return how | {"minutes": [3.0, 4.0 + seed], "machine": "a computer, 2 cores", "minivae": "1.0"} | others


RUNS = [
    entry("burda-iwae-k5", 1, 88.0),
    entry("burda-iwae-k5", 0, 87.0, sampling_error=0.5),
    entry("burda-vae-k1", 0, 90.125, budget="medium", machine="another, 8 cores"),
    entry("burda-iwae-k5", 0, 87.3, maker="PyTorch"),
]


def test_the_table_has_means_spreads_and_commands_in_the_order_of_the_rows():
    text = reproduce.table(RUNS)
    assert text == reproduce.table(RUNS[::-1])
    head, rule, *lines = text.splitlines()
    assert head.count("|") == rule.count("|") == 11
    assert all(line.count("|") == 11 for line in lines if line.startswith("|"))
    assert lines[0].startswith(
        "| VAE, k = 1 | 86.76 | medium, minivae | 0 | 90.12, one seed | 0.010, 0.020 | 20 | 1,000,"
    )
    twin, ours = (next(line for line in lines if f"short, {maker}" in line) for maker in ("PyTorch", "minivae"))
    assert "| 0, 1 | 87.50 +- 0.71 | 0.500, 0.020 | 20, 21 | 1,000, 10,000 | 3.0 + 5.0 | a computer, 2 cores |" in ours
    assert "| 0 | 87.30, one seed |" in twin
    assert sum("not run yet" in line for line in lines) == len(reproduce.ROWS) - 2
    assert "$ python lessons/tools/reproduce.py burda-iwae-k5 --budget short --twin" in lines


def test_a_new_run_replaces_the_one_with_its_seed_and_leaves_the_others(tmp_path):
    shutil.copy(LESSONS / "ledger.md", tmp_path)
    (tmp_path / "ledger.json").write_text("[]")
    for one in [*RUNS, entry("burda-iwae-k5", 1, 88.5)]:
        reproduce.write(tmp_path, one)
    kept = json.loads((tmp_path / "ledger.json").read_text())
    assert sorted(run["nll"] for run in kept) == [87.0, 87.3, 88.5, 90.125]
    page = (tmp_path / "ledger.md").read_text()
    assert reproduce.table(kept) in page
    assert page.split(reproduce.BEGIN)[0] == (LESSONS / "ledger.md").read_text().split(reproduce.BEGIN)[0]
    assert page.endswith((LESSONS / "ledger.md").read_text().split(reproduce.END)[1])


def test_the_table_in_the_ledger_is_that_of_its_runs(tmp_path):
    for name in ("ledger.md", "ledger.json"):
        shutil.copy(LESSONS / name, tmp_path)
    reproduce.write(tmp_path)
    assert (tmp_path / "ledger.md").read_text() == (LESSONS / "ledger.md").read_text()
    assert all(run["budget"] != "smoke" for run in json.loads((LESSONS / "ledger.json").read_text()))
