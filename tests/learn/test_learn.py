"""The exercises and their checker: stubs fail, solutions pass, known mistakes are named, and no cause is invented."""

import json
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minivae import cli
from minivae.answers import PROGRESS
from minivae.learn.catalogue import Entry, LearnError, start, with_stub
from minivae.learn.child import examine
from minivae.learn.diagnose import outcome
from minivae.learn.exercise import DRAWS, Exercise, Sizes, Wrong, finite_differences
from minivae.learn.grading import grade
from minivae.learn.judge import judge
from minivae.learn.progress import Progress

ROOT = Path(__file__).parents[2]
ENTRIES = [Entry(path.stem, ROOT / "lessons") for path in sorted((ROOT / "lessons/checks").glob("*.py"))]
JUDGED_BY_VALUE = [entry for entry in ENTRIES if entry.exercise.judge is None]
WRONGS = [(entry, wrong) for entry in JUDGED_BY_VALUE for wrong in entry.exercise.wrong]
each_exercise = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


# ---------------------------------------------------------------------------------------------------------
# The exercises


def test_every_exercise_has_a_check_and_a_solution():
    names = {entry.name for entry in ENTRIES}
    assert names == {path.stem for path in (ROOT / "lessons/solutions").glob("*.py")}
    assert [int(entry.number) for entry in ENTRIES] == [*range(1, 50)]


@each_exercise
def test_the_stub_fails_with_its_own_message_and_the_solution_passes(entry, tmp_path):
    entry = Entry(entry.name, entry.lessons, tmp_path)
    entry.reset()
    report = examine(entry.file, entry.exercise)
    assert not report.passed
    said = " ".join(report.complaints + [output.message for output in report.outputs])
    if entry.exercise.stub:
        assert said
        assert report.started
    else:
        assert f"exercise {entry.number} is waiting" in said
        assert not report.started
    solved = examine(entry.solution, entry.exercise)
    assert solved.passed, solved


@each_exercise
def test_an_exercise_is_fully_described(entry):
    exercise = entry.exercise
    assert len(exercise.hints) == 3
    assert all(exercise.hints)
    assert exercise.why
    assert len(entry.solution.read_text(encoding="utf-8").splitlines()) <= 40
    assert exercise.function in entry.solution.read_text(encoding="utf-8")
    assert f"Exercise {entry.number} (lesson {exercise.lesson})" in entry.solution.read_text(encoding="utf-8")
    if exercise.judge is None:
        assert len({wrong.says for wrong in exercise.wrong}) <= 10
        assert {wrong.of for wrong in exercise.wrong} <= set(exercise.returns)


@pytest.mark.parametrize(("entry", "wrong"), WRONGS, ids=[f"{entry.number}-{wrong.says}" for entry, wrong in WRONGS])
def test_a_listed_mistake_gets_its_own_diagnosis_and_no_other(entry, wrong):
    exercise = entry.exercise

    def mistaken(*values):
        arguments = dict(zip(exercise.draws[0].arguments, values, strict=True))
        answer = exercise.expected(arguments) | {wrong.of: outcome(wrong, arguments)}
        return tuple(answer.values()) if len(answer) > 1 else answer[wrong.of]

    report = judge(exercise, mistaken)
    messages = {output.name: output.message for output in report.outputs}
    others = [
        w.says for w in exercise.wrong if w.of == wrong.of and w.says != wrong.says and w.says in messages[wrong.of]
    ]
    assert wrong.says in messages[wrong.of]
    assert others == []
    assert not any(message for name, message in messages.items() if name != wrong.of)


def test_the_laws_of_the_bounds_tell_those_that_no_single_value_tells():
    checks = {entry.number: entry.exercise for entry in ENTRIES}

    def path_gradient(factor):
        def backward(weights, dnll, mu, logvar, eps):
            sigma = np.exp(logvar / 2)[:, None]
            dz = factor(weights)[:, :, None] / len(weights) * (dnll + mu[:, None] + sigma * eps - eps / sigma)
            return dz, dz.sum(axis=1), np.sum(dz * eps * sigma / 2, axis=1)

        return backward

    laws = checks["47"].laws
    assert [law(path_gradient(np.square)) for law in laws] == ["", ""]
    assert "0.32 on average; yours is 0.60" in " ".join(law(path_gradient(lambda w: w)) for law in laws)  # STL
    (is_a_bound,) = checks["45"].laws
    for says in ("the KL of lesson 7", "averaged with the normalised"):  # both published, both above log p(x)
        wrong = next(wrong for wrong in checks["45"].wrong if says in wrong.says)

        def false_bound(recon_nll, mu, logvar, eps, wrong=wrong):
            value = wrong.formula(recon_nll=recon_nll, mu=mu, logvar=logvar, eps=eps)
            return value, value if wrong.of == "bound" else np.log(np.exp(value).mean(axis=1))

        assert "your bound is" in is_a_bound(false_bound)


def one_entry_off(right, rng):
    off = right.copy()
    off.flat[rng.integers(off.size)] += 1.0 + abs(right).max()
    return off


UNLISTED = {
    "noise": lambda right, rng: right + rng.standard_normal(right.shape),
    "a factor without a meaning": lambda right, rng: 1.37 * right,
    "one entry": one_entry_off,
    "squares": lambda right, rng: right**2 + 0.1 * right,
    "shuffled": lambda right, rng: 1.1 * rng.permutation(right.ravel()).reshape(right.shape) + 0.01 * right,
}


@pytest.mark.parametrize("mistake", UNLISTED)
@pytest.mark.parametrize("entry", JUDGED_BY_VALUE, ids=lambda entry: entry.name)
@pytest.mark.slow
def test_no_cause_is_invented_for_a_mistake_that_is_listed_nowhere(entry, mistake):
    exercise, rng = entry.exercise, np.random.default_rng(0)

    def mistaken(*values):
        right = exercise.expected(dict(zip(exercise.draws[0].arguments, values, strict=True)))
        answer = tuple(UNLISTED[mistake](array, rng) for array in right.values())
        return answer if len(answer) > 1 else answer[0]

    for output in judge(exercise, mistaken).outputs:
        assert not output.passed
        facts = output.message.split("; ")
        if exercise.chain and output.name != exercise.returns[0]:
            assert facts == [f"it may inherit the mistake in {exercise.returns[0]}: look at that first"]
        elif mistake == "a factor without a meaning":
            assert facts == ["1.37 times what is expected, everywhere"]
        elif np.prod(output.shape) > 1:
            assert facts[-1].startswith("worst at index"), facts
        assert "comes out if" not in output.message


# ---------------------------------------------------------------------------------------------------------
# The judge does not need the answer key

WITHOUT_REFERENCE = """
import json, sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class Blocked(MetaPathFinder):
    ALLOWED = ("minivae.learn", "minivae.answers", "minivae.gradcheck", "minivae.errors", "minivae.system")
    def find_spec(self, name, path=None, target=None):
        if name.startswith("minivae.") and not name.startswith(self.ALLOWED):
            raise ImportError(f"{name} has been taken away")

import minivae
sys.modules.pop("minivae.kernels", None)
sys.meta_path.insert(0, Blocked())
from minivae.learn.child import examine, load_check
lessons = Path(sys.argv[1])
verdicts = {}
for check in sorted((lessons / "checks").glob("*.py")):
    exercise = load_check(check)
    files = [lessons / folder / check.name for folder in ("exercises", "answers")]
    verdicts[check.stem] = [examine(file, exercise).to_dict() for file in files]
print(json.dumps(verdicts))
"""


@pytest.mark.slow
def test_taking_the_reference_and_the_solutions_away_changes_no_verdict(tmp_path):
    shutil.copytree(ROOT / "lessons/checks", tmp_path / "checks")
    (tmp_path / "exercises").mkdir()
    for entry in ENTRIES:
        Entry(entry.name, entry.lessons, tmp_path / "exercises").reset()
    shutil.copytree(ROOT / "lessons" / "solutions", tmp_path / "answers")
    command = [sys.executable, "-c", WITHOUT_REFERENCE, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    verdicts = json.loads(result.stdout.splitlines()[-1])
    assert len(verdicts) == len(ENTRIES)
    for name, (stub, answer) in verdicts.items():
        assert not stub["passed"], name
        assert answer["passed"], (name, answer)


# ---------------------------------------------------------------------------------------------------------
# The diagnosis, on an exercise of its own


def product(x, W):
    return x @ W


def draw_product(rng, sizes):
    return {
        "dy": rng.standard_normal((sizes.B, sizes.H)),
        "x": rng.standard_normal((sizes.B, sizes.D)),
        "W": rng.standard_normal((sizes.D, sizes.H)),
    }


PRODUCT = Exercise(
    title="a product",
    lesson=2,
    function="backward",
    returns=("dx", "dW"),
    draw=draw_product,
    oracle=finite_differences(product, of=("x", "W"), upstream="dy"),
    upstream="dy",
    hints=("?", "?", "?"),
    why="",
    wrong=(Wrong("dW", "dx is written twice", lambda dy, x, W: dy.T @ dy),),
)


def said(function, name, exercise=PRODUCT):
    report = judge(exercise, function)
    return next((output.message for output in report.outputs if output.name == name), " ".join(report.complaints))


@pytest.mark.parametrize(
    ("dW", "message"),
    [
        (lambda dy, x, W: 2 * x.T @ dy, "2 times what is expected, everywhere; a factor 1/2 is missing"),
        (lambda dy, x, W: x.T @ dy / 2, "1/2 times what is expected, everywhere; there is a factor 1/2 too many"),
        (lambda dy, x, W: -x.T @ dy, "-1 times what is expected, everywhere; the sign is wrong"),
        (lambda dy, x, W: x.T @ dy / len(x), "1/B times what is expected, everywhere; averaged over the batch"),
        (lambda dy, x, W: x.T @ dy * x.shape[1], "D times what is expected"),
        (lambda dy, x, W: 3 * x.T @ dy, "3 times what is expected, everywhere"),
        (lambda dy, x, W: 0 * W, "zero everywhere"),
        (lambda dy, x, W: (x.T @ dy).T, "transposed"),
        (lambda dy, x, W: x.T @ np.ones_like(dy), "dy is left out"),
        (lambda dy, x, W: (x.T @ dy)[None], "keepdims"),
        (lambda dy, x, W: (x.T @ dy).sum(axis=0), "the axis of length 7 has been summed away, and has to stay"),
        (lambda dy, x, W: x[:, :, None] * dy[:, None, :], "sum over axis 0, of length 6"),
        (lambda dy, x, W: x.T @ dy + 0.5, "+0.5 more than is expected, everywhere"),
        (
            lambda dy, x, W: np.where(np.eye(*W.shape) == 1, np.nan, x.T @ dy),
            "not finite is nan at index (0, 0)",
        ),
        (lambda dy, x, W: x.T @ dy + (W.max() == W), "34 of 35 entries are right; worst at index"),
    ],
)
def test_a_family_of_mistakes_is_named(dW, message):
    assert message in said(lambda dy, x, W: (dy @ W.T, dW(dy, x, W)), "dW")


def twice_where_b_is_odd(x, **others):
    return 2 * x, 2 * x if len(x) % 2 else 3 * x


TWICE = replace(PRODUCT, returns=("y", "same"), oracle=twice_where_b_is_odd, wrong=())


def test_the_shape_is_that_of_the_draw_whose_entries_are_counted():
    def only_the_last_draw_is_wrong(dy, x, W):
        y, same = twice_where_b_is_odd(x)
        return y, np.where(x == x.max(), 0, same) if len(x) == 5 else same

    _, same = judge(TWICE, only_the_last_draw_is_wrong).outputs
    assert same.shape == (5, 3)
    assert same.error > 1e-3
    assert same.message.startswith("2 of 3 draws are right; 14 of 15 entries are right; worst at index")


def test_two_answers_in_the_wrong_order():
    same = replace(PRODUCT, draw=draw_square, returns=("dx", "dW"), wrong=())
    assert "these are the right values of dW, not of dx" in said(lambda dy, x, W: (x.T @ dy, dy @ W.T), "dx", same)


def draw_square(rng, sizes):
    return dict(zip(("dy", "x", "W"), rng.standard_normal((3, sizes.B, sizes.B)), strict=True))


@pytest.mark.parametrize("factor", [3, 5, 2.5, 7, 1.01])
def test_a_factor_that_is_a_size_in_one_draw_only_is_not_called_that_size(factor):
    answer = said(lambda dy, x, W: (dy @ W.T, factor * x.T @ dy), "dW")
    assert answer == f"{factor:.6g} times what is expected, everywhere"


def test_noise_is_not_explained():
    rng = np.random.default_rng(0)
    answer = said(lambda dy, x, W: (dy @ W.T, rng.standard_normal(W.shape)), "dW")
    assert answer.startswith("0 of 3 draws are right; 0 of 35 entries are right; worst at index")
    assert "comes out if" not in answer


def test_the_draws_differ_in_every_size():
    for sizes in DRAWS:
        assert len(set(sizes)) == 4
    for column in zip(*DRAWS, strict=True):
        assert len(set(column)) == len(DRAWS)


def test_a_listed_mistake_is_named_where_it_overflows_too():
    def softplus(x):
        return np.logaddexp(0, x)

    exercise = Exercise(
        title="softplus",
        lesson=3,
        function="softplus",
        returns=("y",),
        draw=lambda rng, sizes: {"x": np.array([800.0, 0.3, -2])},
        oracle=softplus,
        hints=("?", "?", "?"),
        why="",
        wrong=(
            Wrong("y", "exp overflows", lambda x: np.log(2 + np.exp(x))),
            Wrong("y", "a pattern", lambda x: np.log(1 + np.exp(x))),
        ),
    )
    with np.errstate(over="ignore"):
        # What is right wherever it is finite would be explained by everything that overflows.
        message = said(lambda x: np.log(1 + np.exp(x)), "y", exercise)
        assert "not finite is inf at index (0,) (where x[0] = 800" in message
        assert "a pattern" not in message
        assert "exp overflows" in said(lambda x: np.log(2 + np.exp(x)), "y", exercise)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda dy, x: None, "does not take these arguments; expected backward(dy, x, W)"),
        (lambda dy, x, W: None, "returns None"),
        (lambda dy, x, W: x, "returns one ndarray, expected 2 values (dx, dW)"),
        (lambda dy, x, W: (x, W, dy), "returns 3 values"),
        (lambda dy, x, W: ("a", W), "dx is a str"),
        (lambda dy, x, W: (x, 1j * W), "dW holds complex numbers"),
        (lambda dy, x, W: (x, [[1], [1, 2]]), "dW is a list"),
        (lambda dy, x, W: (dy @ W.T, np.add(W, 1, out=W)), "changes its argument W in place"),
    ],
)
def test_an_answer_that_cannot_be_judged_is_a_clear_sentence(function, message):
    report = judge(PRODUCT, function)
    assert not report.passed
    assert message in " ".join(report.complaints)


def test_a_law_is_judged_when_the_values_are_right_and_a_reward_given_when_all_is():
    def right(dy, x, W):
        return dy @ W.T, x.T @ dy

    lawful = replace(PRODUCT, laws=(lambda function: "", lambda function: "the variance is 16, not 4"))
    report = judge(lawful, right)
    assert report.complaints == ["the variance is 16, not 4"]
    assert not report.passed
    rewarded = replace(PRODUCT, reward=lambda function: "twice as fast")
    assert judge(rewarded, right).notes == ["twice as fast"]
    assert judge(rewarded, lambda dy, x, W: (x, W)).notes == []


def test_an_exercise_may_judge_by_itself():
    own = replace(PRODUCT, judge=lambda function: [] if function() == 3 else ["it is not 3"])
    assert judge(own, lambda: 3).passed
    assert judge(own, lambda: 4).complaints == ["it is not 3"]


def test_lists_and_plain_numbers_are_fine():
    assert judge(PRODUCT, lambda dy, x, W: [(dy @ W.T).tolist(), x.T @ dy]).passed


# ---------------------------------------------------------------------------------------------------------
# Files that do anything at all, in a process of their own

HEADER = "import numpy as np\n\ndef gaussian_kl(mu, logvar):\n"
RIGHT = HEADER + "    return 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)\n"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with one exercise, 11, and somebody who works in a workspace in it."""
    for folder in ("checks", "solutions"):
        (tmp_path / "lessons" / folder).mkdir(parents=True)
        shutil.copy(ROOT / "lessons" / folder / "11_gaussian_kl.py", tmp_path / "lessons" / folder)
    (tmp_path / "pyproject.toml").write_text('name = "minivae"', encoding="utf-8")
    monkeypatch.delenv("MINIVAE_MINE", raising=False)
    monkeypatch.chdir(tmp_path)
    start(tmp_path / "my-vae")
    monkeypatch.chdir(tmp_path / "my-vae")
    return Entry("11_gaussian_kl", tmp_path / "lessons", tmp_path / "my-vae")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "    while True: pass\n", "a loop that never ends"),
        (HEADER + "    return mu +\n", "line 4 is not Python: invalid syntax: return mu +"),
        (HEADER + "    return nothing\n", "NameError: name 'nothing' is not defined    (line 4: return nothing)"),
        (HEADER + "    return np.linalg.inv(mu)\n", "LinAlgError"),
        (HEADER + "    return gaussian_kl(mu, logvar)\n", "RecursionError"),
        (
            HEADER + "    return mu * mu[:, 0]\n",
            "(line 4: return mu * mu[:, 0]); mu is (6, 3); an array (B,) meets one of shape (B, K)",
        ),
        (HEADER + "    return input()\n", "there is no keyboard here"),
        (HEADER + "    import os; os._exit(0)\n", "ended early, with status 0"),
        (HEADER + "    raise SystemExit\n", "your code ends the process"),
        (HEADER + "    raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("import nothing_of_that_name\n", "ModuleNotFoundError"),
        ("x = 1\n", "the file has no function gaussian_kl"),
        ("gaussian_kl = 3\n", "the file has no function gaussian_kl"),
        ("\0", "not Python"),
        ("", "the file has no function gaussian_kl"),
    ],
)
def test_whatever_a_file_does_there_is_a_verdict(clone, text, message):
    vars(clone)["exercise"] = replace(clone.exercise, seconds=4.0)
    clone.file.write_text(text, encoding="utf-8")
    report = grade(clone)
    assert not report.passed
    assert message in " ".join(report.complaints)


def test_what_a_file_prints_is_shown_up_to_a_length(clone):
    clone.file.write_text(RIGHT.replace("    return", "    print('x' * 100_000)\n    return"), encoding="utf-8")
    report = grade(clone)
    assert report.passed
    assert 1000 < len(report.printed) < 10_000
    assert "the rest is not shown" in report.printed


def is_running(pid):
    """Whether it is there, and has not ended without anybody having asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid, seconds=10.0):
    until = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_running(pid)


STARTED = (
    "import pathlib, subprocess, sys\nprogram = subprocess.Popen([sys.executable, '-c', '{}'], stderr=sys.__stderr__)\n"
    "pathlib.Path(__file__).with_suffix('.pid').write_text(str(program.pid))\n"
)
PRINTS = 'while True: print(1, file=__import__("sys").stderr)'


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_files_beside_and_programs_that_go_on_change_no_verdict_and_end_with_it(clone):
    for name in ("numpy.py", "json.py"):
        (clone.file.parent / name).write_text("raise ImportError('the wrong file')", encoding="utf-8")
    for program in ("import time; time.sleep(60)", PRINTS):
        clone.file.write_text(STARTED.format(program) + RIGHT, encoding="utf-8")
        report = grade(clone)
        assert report.passed, report
        assert ends(int(clone.file.with_suffix(".pid").read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_whatever_a_file_has_started_ends_with_the_checker_too(clone):
    clone.file.write_text(STARTED.format(PRINTS) + HEADER + "    while True: pass\n", encoding="utf-8")
    noted = clone.file.with_suffix(".pid")
    with subprocess.Popen([sys.executable, "-m", "minivae", "check", "11"], stdout=subprocess.DEVNULL) as checker:
        while not noted.is_file() or not noted.read_text(encoding="utf-8"):
            time.sleep(0.05)
        program = int(noted.read_text(encoding="utf-8"))
        (child,) = Path(f"/proc/{checker.pid}/task/{checker.pid}/children").read_text(encoding="utf-8").split()
        assert is_running(program)
        checker.kill()
    assert ends(program)
    assert ends(int(child))


def test_bytes_that_are_no_text_get_a_verdict(clone):
    clone.file.write_bytes(b"\xff\xfe\x00 = 1")
    assert not grade(clone).passed
    clone.file.unlink()
    assert "minivae reset 11" in grade(clone).complaints[0]


# ---------------------------------------------------------------------------------------------------------
# The commands


def run(capsys, *arguments):
    try:
        status = cli.main([str(argument) for argument in arguments])
    except SystemExit as exit:
        status = exit.code
    captured = capsys.readouterr()
    assert captured.out.isascii()
    return status, captured.out, captured.err


@pytest.mark.slow
def test_the_way_of_a_learner(clone, capsys):
    status, out, _ = run(capsys, "learn")
    assert status == 0
    assert "0 of 1 exercises passed" in out
    status, out, _ = run(capsys, "check", "11")
    assert status == 1
    assert "TODO  exercise 11 is waiting for your lines" in out
    assert " -       gaussian_kl" in run(capsys, "learn")[1], "that was no try"
    assert [run(capsys, "hint", "11")[1].split(":")[0] for _ in range(4)] == [
        f"hint {level} of 3 for exercise 11" for level in (1, 2, 3, 3)
    ]
    status, _, err = run(capsys, "solution", "11")
    assert status == 2
    assert "--show" in err
    assert "0.5 * np.sum" in run(capsys, "solution", "11", "--show")[1]
    clone.file.write_text(RIGHT.replace("0.5 * ", ""), encoding="utf-8")
    status, out, _ = run(capsys, "check", "11")
    assert status == 1
    assert (
        "2 times what is expected, everywhere\n      a factor 1/2 is missing, or there is a factor 2 too many\n" in out
    )
    assert "line 4: one factor is missing in `np.sum(" in out
    assert "in the place of" not in out, "the edit itself is for those who ask"
    assert "in the place of np.sum(" in run(capsys, "hint", "11")[1]
    assert "tried" in run(capsys, "learn")[1]
    clone.file.write_text(RIGHT, encoding="utf-8")
    status, out, _ = run(capsys, "check", "11")
    assert status == 0
    assert "Exercise 11 passed. Four terms" in out
    assert "1 of 1 exercises passed" in run(capsys, "learn")[1]
    clone.file.write_text(RIGHT.replace("0.5 * ", ""), encoding="utf-8")
    assert run(capsys, "check", "11")[0] == 1
    assert "1 of 1 exercises passed" in run(capsys, "learn")[1], "what was passed once stays passed"
    clone.file.write_text(RIGHT, encoding="utf-8")
    assert "0.5 * np.sum" in run(capsys, "solution", "11")[1]
    status, out, _ = run(capsys, "reset", "11")
    assert clone.file.read_text(encoding="utf-8") == clone.pristine()
    assert clone.file.with_suffix(".before-reset").read_text(encoding="utf-8") == RIGHT


def test_json_is_one_object(clone, capsys):
    clone.file.write_text(RIGHT.replace("np.exp(logvar)", "np.exp(logvar) * mu[:, 0]"), encoding="utf-8")
    status, out, _ = run(capsys, "check", "11", "--json")
    report = json.loads(out)
    assert (status, report["passed"]) == (1, False)
    assert "ValueError" in report["complaints"][0]
    (output,) = report["outputs"]
    assert {"name", "passed", "message", "cause", "line"} <= set(output)
    assert (output["name"], output["passed"], output["line"]) == ("kl", False, 4)
    clone.file.write_text(RIGHT.replace("axis=1", "axis=0"), encoding="utf-8")
    report = json.loads(run(capsys, "check", "11", "--json")[1])
    assert {"passed", "outputs", "complaints"} <= set(report)
    (output,) = report["outputs"]
    assert {"name", "passed", "message", "cause", "line"} <= set(output)
    assert (output["line"], output["cause"]) == (4, "line 4: look at the axis of this sum in `axis=0`")
    assert "edit" not in report
    assert json.loads(run(capsys, "learn", "--json")[1])["exercises"][0]["number"] == "11"


@pytest.mark.parametrize("number", ["12", "0", "x", "../11"])
def test_an_exercise_that_does_not_exist_is_bad_input(clone, capsys, number):
    status, _, err = run(capsys, "check", number)
    assert status == 2
    assert "there is no exercise" in err


def test_outside_a_clone_it_says_where_to_get_one(tmp_path, monkeypatch):
    from minivae.learn import catalogue

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue, "source_root", lambda: tmp_path / "site-packages")
    with pytest.raises(LearnError, match="clone the repository"):
        catalogue.find_lessons()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"11_gaussian_kl": 3}', '{"11_gaussian_kl": {"hints": "x"}}'])
def test_a_damaged_progress_file_is_no_error(tmp_path, text):
    (tmp_path / PROGRESS).write_text(text, encoding="utf-8")
    progress = Progress(tmp_path)
    assert progress.of("11_gaussian_kl") == {"passed": False, "tries": 0, "hints": 0}
    progress.update("11_gaussian_kl", passed=True)
    assert Progress(tmp_path).of("11_gaussian_kl")["passed"]


@pytest.mark.slow
def test_watch_checks_what_is_saved(clone):
    command = [sys.executable, "-u", "-m", "minivae", "watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert "watching" in process.stdout.readline()
        clone.file.write_text(RIGHT, encoding="utf-8")
        lines = [process.stdout.readline() for _ in range(5)]
        process.kill()
    assert any("ok    kl" in line for line in lines)
    assert any("Exercise 11 passed" in line for line in lines)


def test_a_solution_needs_its_marks():
    solution = textwrap.dedent("""\
        def f(x):
            # Your code, one line:
            y = x

            # End of your code.
            return y
        """)
    assert with_stub(solution, "pass\nraise") == solution.replace("    y = x\n\n", "    pass\n    raise\n")
    with pytest.raises(LearnError, match="Your code"):
        with_stub("x = 1", "pass")


def test_sizes_are_named():
    assert Sizes(1, 2, 3, 4)._asdict() == {"B": 1, "D": 2, "H": 3, "K": 4}
