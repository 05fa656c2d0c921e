"""What holds a model back: one table of findings, in order of harm, and a small function that looks for each.

A function returns whether it has found something, and its evidence; its docstring is the cause. What is much was set
by runs made sick on purpose, and by healthy ones: tests/report/planted.py.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import numpy as np

from minivae.datasets.notes import note_dependence
from minivae.datasets.split import hashes
from minivae.report.evidence import Evidence
from minivae.runs.settings import DEFAULTS, Settings, option, shown
from minivae.training import runaway

Look = Callable[[Evidence], tuple[bool, str]]


def leaked(e: Evidence) -> tuple[bool, str]:
    """Rows of the test file were trained on, so that the test loss says nothing about new data."""
    known = set(hashes(e.rows, e.rows.dtype))
    n, n_test = sum(row in known for row in hashes(e.test_rows, e.rows.dtype)), len(e.test_rows)
    return n > 0.02 * n_test and e.settings.test is not None, f"{n} of {n_test} test rows are training rows too"


def repeated(e: Evidence) -> tuple[bool, str]:
    """Rows are no independent examples."""
    note = next(note_dependence(e.rows), None)
    return note is not None, note.sentence if note else ""


def ran_away(e: Evidence) -> tuple[bool, str]:
    """A variance grows or shrinks without end."""
    found = runaway.of_the_likelihood(e.vae) or runaway.of_the_encoder(e.vae, e.train) or ""
    return bool(found), found


def unequal(e: Evidence) -> tuple[bool, str]:
    """One variance must do for columns of all sizes, and the large ones decide everything."""
    std = e.x.std(axis=0)
    low, high = std[std > 0].min(initial=np.inf), std.max()
    is_table = e.vae.likelihood.name == "gaussian" and e.image_shape is None
    return is_table and high > 10 * low, f"the standard deviations of columns reach from {low:.3g} to {high:.3g}"


def too_fast(e: Evidence) -> tuple[bool, str]:
    """Steps are too large to settle."""
    gain = e.gain_at(0.1)
    return gain > 0.1 * e.drop, f"a few epochs at a tenth of the rate end {gain:.3f} nats lower"


def too_slow(e: Evidence) -> tuple[bool, str]:
    """Steps are too small to arrive."""
    gain = e.gain_at(10)
    return gain > 0.1 * e.drop, f"no more epochs at ten times the rate end {gain:.3f} nats lower"


def collapsed(e: Evidence) -> tuple[bool, str]:
    """The KL of a latent dimension costs more than it explains, so that it is given up."""
    text = f"{e.active.sum()} of {len(e.active)} dimensions depend on the data; beta {e.vae.beta:g}"
    if e.vae.likelihood.name == "gaussian":
        product, few, many = e.vae.beta * e.variance.mean(), e.live(e.vae.beta), e.live(1.0)
        text += f": {few} eigenvalues of their covariance exceed beta sigma^2 = {product:.3g}, and {many} with beta = 1"
        return e.active.sum() < min(many, len(e.active)) / 2, text
    return not e.active.any(), text


def too_little_kl(e: Evidence) -> tuple[bool, str]:
    """Codes are free to differ from the prior, so that samples from it are nothing like the data."""
    mark, model = e.scale["constant"] or np.inf, e.scale["model"] or 0.0
    return (
        e.vae.beta < 1 and model > mark,
        f"-ELBO {model:.3f}, worse than independent columns, {mark:.3f}; beta {e.vae.beta:g}",
    )


def overfitted(e: Evidence) -> tuple[bool, str]:
    """The model has begun to learn its training rows by heart."""
    n = max(1, len(e.curve) // 5)
    means = np.convolve(e.curve, np.ones(n) / n, "valid")
    rise, at, noise = means[-1] - means.min(), means.argmin() + n // 2 + 1, np.diff(e.curve[-2 * n :]).std() / n**0.5
    is_sick = e.settings.patience is None and rise > max(0.05 * e.drop, 3 * noise)
    return is_sick, f"the test loss has risen by {rise:.3f} nats since about epoch {at} of {len(e.curve)}"


def undertrained(e: Evidence) -> tuple[bool, str]:
    """Training ended before it was done."""
    last = e.curve[-max(8, len(e.curve) // 4) :]
    n = len(last)
    slope = np.polyfit(range(n), last, 1)[0] if n > 1 else -np.inf
    noise = np.diff(last).std() * (6 / n) ** 0.5 if n > 2 else 0.0  # the standard error of a line's fall
    return -slope * n > max(0.05 * e.drop, 2 * noise), f"the test loss still falls, by {-slope:.3g} nats an epoch"


def dead(e: Evidence) -> tuple[bool, str]:
    """A unit that is 0 for every row has no gradient, and will stay so."""
    e.vae.encode_scaled(e.train[:512]), e.means(e.noise[:512])
    layers = [layer for part in (e.vae.encoder, e.vae.decoder) for layer in part.layers[:-1]]
    share = max((float((layer.y.max(axis=0) <= 0).mean()) for layer in layers), default=0.0)
    return e.vae.activation == "relu" and share > 0.4, f"{share:.0%} of the units of a hidden layer are 0 for every row"


def does_not_fit(e: Evidence) -> tuple[bool, str]:
    """Residuals are not distributed as the likelihood claims."""
    squares = (e.x - e.decoded) ** 2
    ratio = float((squares / e.variance).mean())
    tails = float((squares**2).mean() / (squares.mean(axis=0) ** 2).mean())
    if e.vae.likelihood.name == "gaussian":
        return (
            tails > 8,
            f"the residuals' fourth moment is {tails:.3g} times their squared variance, a normal's 3 times",
        )
    return ratio < 0.05, f"the squared residuals are {ratio:.2g} of what the likelihood claims"


def has_holes(e: Evidence) -> tuple[bool, str]:
    """Where no training row is encoded, the decoder was never asked."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=1).fit(e.x)
    samples, decoded = (float(np.median(nearest.kneighbors(x)[0])) for x in (e.means(e.noise), e.decoded))
    return (
        samples > 2 * decoded,
        f"samples are {samples:.3g} away from the next training row, reconstructions {decoded:.3g}",
    )


def untrusted(e: Evidence) -> tuple[bool, str]:
    """The encoder looks in the wrong place for rows unlike the training data."""
    n, of = int((~e.estimate.trusted).sum()), len(e.estimate.trusted)
    return n > 0.05 * of, f"log p(x) of {n} of {of} test rows has too few effective samples"


def less_kl(s: Settings) -> dict[str, Any]:
    """A smaller weight of the KL, which the ELBO alone has."""
    change = {"beta": min(1.0, s.beta / 2), "epochs": 2 * (s.epochs or 1)}
    return change | ({} if s.objective == "elbo" else {"objective": "elbo"})


HIGH, MEDIUM, LOW = "high", "medium", "low"
FINDINGS: tuple[tuple[str, str, Look, Callable[[Settings], dict[str, Any] | str]], ...] = (
    ("leaked rows", HIGH, leaked, lambda s: {"test": None}),
    ("variance ran away", HIGH, ran_away, lambda s: {"scale": "standard", "lr": 1e-3}),
    ("columns of different sizes", HIGH, unequal, lambda s: {"scale": "standard"}),
    ("learning rate too high", HIGH, too_fast, lambda s: {"lr": s.rate / 10}),
    ("posterior collapse", HIGH, collapsed, less_kl),
    ("too little KL", HIGH, too_little_kl, lambda s: {"beta": 1.0}),
    ("overfitted", MEDIUM, overfitted, lambda s: {"patience": 20}),
    ("learning rate too low", MEDIUM, too_slow, lambda s: {"lr": s.rate * 10}),
    ("undertrained", MEDIUM, undertrained, lambda s: {"epochs": 4 * (s.epochs or 1)}),
    ("dead units", MEDIUM, dead, lambda s: {"activation": "softplus", "scale": "standard"}),
    ("repeated rows", MEDIUM, repeated, lambda s: "take the copies out, or name what belongs together with --groups"),
    ("likelihood does not fit", MEDIUM, does_not_fit, lambda s: "take the logarithm of columns with long tails"),
    ("holes in the latent space", LOW, has_holes, lambda s: {"latent": s.latent + 2}),
    ("log p(x) not to be trusted", LOW, untrusted, lambda s: "minivae evaluate {run} --samples 20000"),
)


def find(e: Evidence) -> list[dict[str, str]]:
    """All findings, in the order of the table: name, severity, evidence with the cause, and a remedy to try."""
    found = []
    for name, severity, look, remedy in FINDINGS:
        is_sick, evidence = look(e)
        if is_sick:
            change, evidence = remedy(e.settings), f"{evidence}. {look.__doc__}"
            remedy_text = (
                change.format(run=shlex.quote(str(e.run.path))) if isinstance(change, str) else command(e, change)
            )
            found.append({"name": name, "severity": severity, "evidence": evidence, "remedy": remedy_text})
    return found


def command(e: Evidence, change: dict[str, Any]) -> str:
    """The training that made the run, with some settings changed."""
    values = e.settings.of_the_run() | {"backend": None, **change, "out": f"{e.run.path}-2"}
    given = [(n, v) for n, v in values.items() if v is not None and (v != DEFAULTS[n] or n in ("data", *change))]
    words = (text for n, v in given for text in (option(n), shown(v))[: 1 if v is True else 2])
    return shlex.join(["minivae", "train", *words])
