"""A learner's workspace, and the backend "mine" that what is solved in it makes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from answers import OTHER

from minivae import VAE, backend, fit
from minivae.answers import PROGRESS, Workspace, fingerprint
from minivae.benchmark.calls import CALLS
from minivae.benchmark.verify import ODD, outcome, verify
from minivae.errors import BackendError
from minivae.gradcheck import cases
from minivae.kernels import mine, reference
from minivae.learn import map as vae_map
from minivae.learn.catalogue import Entry, start, with_stub
from minivae.learn.progress import Progress
from minivae.training.optimizers import Adam

ROOT = Path(__file__).parents[2]
ENTRIES = {path.name[:2]: Entry(path.stem, ROOT / "lessons") for path in (ROOT / "lessons/checks").glob("*.py")}
NUMBERS = sorted(mine.NAMES)


def answer(number, lines=None):
    """The text of a solution, or the same with other lines between its marks."""
    text = ENTRIES[number].solution.read_text(encoding="utf-8")
    return text if lines is None else with_stub(text, "\n".join(line.strip() for line in lines.splitlines()))


@pytest.fixture(autouse=True)
def no_workspace_of_the_tester(monkeypatch):
    monkeypatch.delenv("MINIVAE_MINE", raising=False)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace that one stands in."""
    folder = tmp_path / "my-vae"
    start(folder)
    monkeypatch.chdir(folder)
    return folder


def solve(folder, numbers=NUMBERS, **texts):
    """Write answers, and note that they have passed, without the seconds that the checks would take."""
    for number in numbers:
        name = ENTRIES[number].name
        path = folder / f"{name}.py"
        path.write_text(texts.get(f"e{number}", answer(number)), encoding="utf-8")
        Progress(folder).update(name, passed=True, sha256=fingerprint(path))


def pixels(n=50, width=9):
    return np.random.default_rng(0).random((n, width)).round()


def train(name, beta=0.7, epochs=3, free_bits=0.0):
    vae = VAE(9, (6,), 2, beta=beta, backend=name, seed=1, free_bits=free_bits)
    fit(vae, pixels(), epochs=epochs, batch_size=16, optimizer=Adam(0.01), progress=False)
    return vae.store.vector


def labels_that_differ(dtype):
    """The calls of kernels whose results have other bits than the reference's."""
    backends = [backend.load("mine"), backend.load("numpy")]
    results = {call.label: [outcome(kernels, call, ODD, dtype) for kernels in backends] for call in CALLS}
    return {label for label, pair in results.items() if not all(map(np.array_equal, *pair))}


# ---------------------------------------------------------------------------------------------------------
# The backend


def test_the_table_of_names_the_checks_and_the_map_agree():
    assert {number: ENTRIES[number].exercise.function for number in NUMBERS} == mine.NAMES
    assert vae_map.FUNCTIONS == NUMBERS
    assert vae_map.draw(NUMBERS) in (ROOT / "lessons/my-own-vae.md").read_text(encoding="utf-8")
    assert set.union(*(set(numbers) for numbers, _ in mine.KERNELS.values())) == set(NUMBERS)


def test_all_solved_every_kernel_agrees_with_the_reference_and_every_gradient_is_right(workspace):
    solve(workspace)
    kernels = backend.load("mine")
    assert kernels.name == "mine"
    assert verify(kernels, ODD) is None
    for check in cases.check_kernels(kernels):
        assert check.passed, check


@pytest.mark.parametrize("number", NUMBERS)
def test_one_solved_is_used_and_the_others_are_the_references(workspace, number):
    solve(workspace, [number])
    calls = []
    answers = Workspace(workspace).answers(mine.NAMES)
    assert list(answers) == [number]

    def spy(*arguments, into):
        calls.append(number)
        answers[number](*arguments, into=into)

    assert verify(backend.from_module(mine.kernels({number: spy}), "mine"), ODD) is None
    if number == "16":  # no kernel of the reference: the model asks for it
        kernels = backend.load("mine")
        dz, dkl, mu, logvar, eps = (np.random.default_rng(i).standard_normal((5, 3)) for i in range(5))
        for upstream in (np.full(5, 0.3), dkl[:, 0]):  # the same for all examples, and not
            dmu, dlogvar = np.empty((2, 5, 3))
            kernels.fork(dz, upstream, mu, logvar, eps, dmu=dmu, dlogvar=dlogvar)
            through_kl = reference.gaussian_kl_backward(upstream, mu, logvar)
            through_z = reference.reparameterize_backward(dz, logvar, eps)
            np.testing.assert_allclose(dmu, through_kl[0] + through_z[0], rtol=1e-12)
            np.testing.assert_allclose(dlogvar, through_kl[1] + through_z[1], rtol=1e-12)
    else:
        assert calls


def test_all_solved_no_formula_of_the_reference_is_left_in_a_training_step(workspace, monkeypatch):
    solve(workspace)
    monkeypatch.setattr(reference, "ACTIVATIONS", {})
    helpers = {"asarray", "to_numpy", "zeros", "take_rows", "session", "categorical_mean"}
    noise_and_options = {"standard_normal", "uniform", "binarize", "sgd_update", "adagrad_update", "add_penalty"}
    for name in set(reference.__all__) - helpers - noise_and_options:
        monkeypatch.setattr(reference, name, lambda *_, name=name, **__: pytest.fail(f"{name} is the reference's"))
    for _, vae, x in cases.model_cases("mine"):
        if np.isfinite(x).all() and vae.has_one_draw:  # the exercises have no holes in a table, and no weights
            fit(vae, x, epochs=1, progress=False)
    assert vae.sample(3).shape == (3, 7)
    assert backend.load("mine").bernoulli_mean(np.zeros((1, 1))) == 0.5


def test_copied_solutions_train_to_the_same_bits_as_numpy(workspace):
    solve(workspace)
    np.testing.assert_array_equal(train("mine"), train("numpy"))
    np.testing.assert_array_equal(train("mine", free_bits=0.1), train("numpy", free_bits=0.1))  # exercise 16 has none
    # Exercise 07 is asked once for each column there, and a sum over a column alone adds up in another order.
    assert labels_that_differ("float32") == labels_that_differ("float64") == {"gaussian_nll[gradient logvar_each]"}


def test_answers_that_go_another_way_train_as_numpy_does_up_to_rounding(workspace):
    solve(workspace, **{f"e{number}": answer(number, lines) for number, lines in OTHER.items()})
    np.testing.assert_allclose(train("mine"), train("numpy"), rtol=1e-3, atol=1e-5)
    assert "gaussian_kl_forward" in {label.split("[")[0] for label in labels_that_differ("float32")}


def test_an_answer_that_was_changed_after_its_check_is_not_used_and_a_warning_says_so(workspace):
    solve(workspace, ["11", "13"])
    path = workspace / f"{ENTRIES['11'].name}.py"
    path.write_text(answer("11").replace("0.5 *", "0.6 *"), encoding="utf-8")
    with pytest.warns(UserWarning, match="used for exercise 11: as they are now, these files have not passed"):
        kernels = backend.load("mine")
    assert kernels.gaussian_kl_forward is reference.gaussian_kl_forward
    assert kernels.reparameterize_forward is not reference.reparameterize_forward
    assert backend.states()["mine"].startswith("1 of 17 functions are yours")
    path.write_text(answer("11"), encoding="utf-8")
    assert backend.load("mine").gaussian_kl_forward is not reference.gaussian_kl_forward


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "raise ValueError('B is too large')",
            r"it raises ValueError: B is too large \(line 15\), for arguments of the ",
        ),
        ("return mu[:, :1] + eps[:, :1]", r"it returns the shape \(16, 1\), not \(16, 2\)"),
        ("return mu, eps", r"it returns the shape \(2, 16, 2\)"),
        ("return mu / 0 * 0", "it returns numbers that are not finite"),
    ],
)
def test_an_answer_that_breaks_after_its_check_is_named(workspace, text, message):
    solve(workspace, ["13"], e13=answer("13", text))
    with np.errstate(all="ignore"), pytest.raises(BackendError, match=message) as error:
        train("mine")
    assert "exercise 13 (reparameterize in 13_reparameterize.py) passed its check, but here" in str(error.value)
    assert "mend it, then minivae check 13" in str(error.value)


def test_the_fork_of_a_model_is_exercise_16(workspace):
    solve(workspace, ["12", "14", "16"], e16=answer("16", "raise ValueError('here')"))
    with pytest.raises(BackendError, match=r"exercise 16 \(fork_backward in 16_the_fork.py\) .* ValueError: here"):
        train("mine")


def test_too_few_values_and_a_file_that_cannot_be_imported_are_named_too(workspace):
    solve(workspace, ["14"], e14=answer("14").replace("return dmu, dlogvar", "return dmu"))
    with pytest.raises(BackendError, match=r"exercise 14 .* it returns 1 values, not 2"):
        train("mine")
    solve(workspace, ["14"], e14="import no_such_module\n")
    with pytest.raises(BackendError, match=r"exercise 14 .* the file raises ModuleNotFoundError.* \(line 1\)"):
        train("mine")


def test_a_loss_that_diverges_is_not_the_fault_of_an_answer(workspace):
    solve(workspace)
    kernels, huge = backend.load("mine"), np.full((2, 3), 800.0)
    with np.errstate(over="ignore"):
        assert np.all(np.isinf(kernels.gaussian_kl_forward(huge, huge)))


def test_the_workspace_is_the_nearest_above_or_the_one_that_is_named(workspace, tmp_path, monkeypatch):
    solve(workspace, ["13"])
    (workspace / "notes" / "deep").mkdir(parents=True)
    monkeypatch.chdir(workspace / "notes" / "deep")
    assert backend.states()["mine"] == f"1 of 17 functions are yours, the others the project's, in {workspace}"
    assert VAE(4, (3,), 2, backend="mine").backend == "mine"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackendError, match=r"no workspace is at or above .*: minivae learn --start makes one"):
        backend.load("mine")
    assert "minivae learn --start" in backend.states()["mine"]
    assert "mine" not in backend.available()
    monkeypatch.setenv("MINIVAE_MINE", "my-vae")
    assert backend.load("mine").name == "mine"
    monkeypatch.setenv("MINIVAE_MINE", str(tmp_path))
    with pytest.raises(BackendError, match=r"MINIVAE_MINE names .*, which is no workspace"):
        backend.load("mine")


# ---------------------------------------------------------------------------------------------------------
# The commands


@pytest.mark.parametrize(
    "command", [("check", "11"), ("check",), ("hint", "11"), ("reset", "11"), ("solution", "11"), ("watch",)]
)
def test_elsewhere_the_commands_offer_to_make_a_workspace(minivae, command):
    status, out, err = minivae(*command)
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "minivae learn --start makes the folder my-vae" in err
    minivae("learn", "--start")
    assert "your exercises are in my-vae: cd my-vae" in minivae(*command)[2]


def test_a_workspace_is_made_and_completed_and_nothing_in_it_is_lost(minivae, tmp_path):
    status, out, _ = minivae("learn", "--start", "work/mine")
    assert status == 0
    assert f"{len(ENTRIES)} exercises are new" in out
    files = {path.stem for path in (tmp_path / "work/mine").glob("*.py")}
    assert files == {entry.name for entry in ENTRIES.values()}
    mine_, lost = tmp_path / "work/mine/11_gaussian_kl.py", tmp_path / "work/mine/12_gaussian_kl_backward.py"
    assert "exercise 12 is waiting for your lines" in lost.read_text(encoding="utf-8")
    mine_.write_text("what I wrote", encoding="utf-8")
    lost.unlink()
    values = json.loads(minivae("learn", "--start", "work/mine", "--json")[1])
    assert values == {"workspace": str(tmp_path / "work/mine"), "new": 1}
    assert mine_.read_text(encoding="utf-8") == "what I wrote"
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for taken in ("file", "work"):
        status, _, err = minivae("learn", "--start", taken)
        assert status == 2
        assert "name a new folder for your exercises" in err
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["mine"]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_sees_nothing_of_a_workspace(minivae, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    minivae("learn", "--start", "anywhere")
    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    assert "\nmy-vae/\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_file_by_name_is_judged_anywhere_and_noted_nowhere(minivae, tmp_path):
    (tmp_path / "try.py").write_text(answer("11"), encoding="utf-8")
    status, out, _ = minivae("check", "11", "--file", "try.py")
    assert status == 0
    assert "Exercise 11 passed" in out
    minivae("learn", "--start")
    assert json.loads(minivae("check", "12", "--file", "try.py", "--json")[1])["passed"] is False
    assert Progress(tmp_path / "my-vae").entries == {}
    for wrong in (("11", "--file", "none.py"), ("--file", "try.py"), ("11", "--file", "my-vae")):
        status, _, err = minivae("check", *wrong)
        assert status == 2
        assert "--file needs the number of the exercise too, and a Python file that exists" in err


@pytest.mark.slow
def test_check_without_a_number_checks_what_has_changed(workspace, capsys):
    from minivae import cli

    solve(workspace, ["13"])
    (workspace / "27_linear_forward.py").write_text(answer("27"), encoding="utf-8")
    (workspace / "11_gaussian_kl.py").write_text(answer("11").replace("0.5 *", "0.6 *"), encoding="utf-8")
    assert cli.main(["check"]) == 1
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("checking")] == [
        "11_gaussian_kl.py",
        "27_linear_forward.py",
    ]
    assert "1 of the 2 exercises that had changed have passed" in out
    assert set(Workspace(workspace).solved) == {"13", "27"}


def test_check_without_a_number_says_so_where_there_is_nothing_to_check(workspace, capsys):
    from minivae import cli

    assert cli.main(["check"]) == 0
    assert capsys.readouterr().out.startswith("no exercise is begun, or has changed since it passed")


def test_the_map_shows_which_half_is_the_learners(workspace, capsys):
    from minivae import cli

    half = NUMBERS[::2]
    solve(workspace, half)
    (workspace / f"{ENTRIES[half[0]].name}.py").write_text("changed = True\n", encoding="utf-8")
    assert cli.main(["learn"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert f"{len(half) - 1} of 17 functions are yours" in out
    for number in NUMBERS:
        assert (f"[{number}]" in out) == (number in half[1:])
        assert (f"({number})" in out) == (number not in half[1:])
    assert f"  {half[0]}  changed " in out
    assert f"  {half[1]}  passed " in out
    cli.main(["learn", "--json"])
    values = json.loads(capsys.readouterr().out)
    assert values["workspace"] == str(workspace)
    assert [values["number"] for values in values["exercises"] if values["solved"]] == half[1:]


def test_half_solved_trains_too(workspace):
    solve(workspace, NUMBERS[::2])
    np.testing.assert_allclose(train("mine"), train("numpy"), rtol=1e-3, atol=1e-5)


def test_a_change_while_the_check_runs_does_not_pass_for_what_was_checked(workspace, monkeypatch):
    from minivae import cli
    from minivae.learn import grading

    path = workspace / "11_gaussian_kl.py"
    path.write_text(answer("11"), encoding="utf-8")
    judge = grading.grade

    def edited_meanwhile(*arguments):
        report = judge(*arguments)
        path.write_text(answer("11").replace("0.5 *", "0.6 *"), encoding="utf-8")
        return report

    monkeypatch.setattr(grading, "grade", edited_meanwhile)
    assert cli.main(["check", "11"]) == 0
    assert Workspace(workspace).solved == {}


def test_a_progress_file_that_says_nonsense_solves_nothing(workspace):
    (workspace / PROGRESS).write_text('{"11_gaussian_kl": {"sha256": 3}, "12": {"sha256": null}}', encoding="utf-8")
    assert Workspace(workspace).solved == {}


# ---------------------------------------------------------------------------------------------------------
# The whole way, with nothing but commands


@pytest.mark.slow
def test_the_way_from_a_new_workspace_to_a_trained_vae_of_ones_own(tmp_path):
    def run(*arguments, cwd=tmp_path / "my-vae"):
        command = [sys.executable, "-m", "minivae", *arguments]
        result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run("learn", "--start", cwd=tmp_path)
    for entry in ENTRIES.values():
        shutil.copy(entry.solution, tmp_path / "my-vae")
    assert f"{len(ENTRIES)} of the {len(ENTRIES)} exercises that had changed have passed" in run("check")
    assert "17 of 17 functions are yours" in run("learn")
    results = {}
    for name in ("mine", "numpy"):
        results[name] = json.loads(
            run("train", "--data", "digits", "--backend", name, "--epochs", "3", "--json", "--out", name)
        )
        assert (tmp_path / "my-vae" / name / "samples.png").is_file()
    assert results["mine"]["backend"] == "mine"
    assert results["mine"]["test"]["loss"] == pytest.approx(results["numpy"]["test"]["loss"], rel=1e-3)
    run("sample", "mine", "--backend", "mine", "--out", "samples.png")
    gradients = json.loads(run("gradcheck", "--backend", "mine", "--json"))
    assert gradients["passed"]
    assert gradients["backend"] == "mine"
    assert "17 of 17" in run("info")
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True)
    assert "my-vae" not in before.stdout


def test_checks_that_somebody_else_put_into_a_folder_above_are_not_run(tmp_path, monkeypatch):
    from minivae.learn import catalogue

    (tmp_path / "lessons" / "checks").mkdir(parents=True)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert catalogue.find_lessons() == catalogue.source_root() / "lessons"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "minivae"\n', encoding="utf-8")
    assert catalogue.find_lessons() == tmp_path / "lessons"
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    assert catalogue.find_lessons() == catalogue.source_root() / "lessons"
