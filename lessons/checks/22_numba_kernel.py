"""Exercise 22: the value judged by an integral, the gradients by differences; timed, but never judged by time."""

import ast
import inspect
import statistics
import textwrap
import time

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong, finite_differences


def draw(rng, sizes):
    mu, logvar = rng.standard_normal((2, sizes.B, sizes.K))
    return {"dkl": rng.standard_normal(sizes.B), "mu": mu, "logvar": logvar}


def integral(mu, logvar):
    """The KL from its definition, by the trapezoidal rule."""
    std = np.exp(logvar / 2)[..., None]
    t, dt = np.linspace(-12, 12, 241, retstep=True)
    z = mu[..., None] + std * t
    log_q = stats.norm.logpdf(z, mu[..., None], std)
    return np.sum(np.exp(log_q) * (log_q - stats.norm.logpdf(z)) * dt * std, axis=(1, 2))


def in_numpy(dkl, mu, logvar):
    """What the kernel is timed against."""
    variance = np.exp(logvar)
    kl = 0.5 * np.sum(mu * mu + variance - 1 - logvar, axis=1)
    return kl, dkl[:, None] * mu, dkl[:, None] * 0.5 * (variance - 1)


MAKERS = ("zeros", "empty", "zeros_like", "empty_like")

gradients = finite_differences(integral, of=("mu", "logvar"), upstream="dkl")


def oracle(dkl, mu, logvar):
    return integral(mu, logvar), *gradients(dkl=dkl, mu=mu, logvar=logvar)


def is_compiled(function):
    if getattr(function, "nopython_signatures", None):
        return ""
    return f"{function.__name__} is plain Python: it needs @njit above it, to be compiled"


def is_one_pass(function):
    """The values alone cannot tell; the text of the function can."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(function, "py_func", function))))
    loops = sum(isinstance(node, (ast.For, ast.While)) for node in ast.walk(tree))
    names = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and takes_array(node)}
    if loops > 2:
        return f"the values are right, in {loops} loops; the task is one pair, that visits each entry once"
    if names:
        names = ", ".join(f"np.{name}" for name in sorted(names))
        return f"the values are right, with {names} of an array; the task is one pass of plain numbers"
    return ""


def takes_array(call):
    """Whether NumPy gets a whole array or a row of one; a single number, mu[b, k], is fine."""
    function = call.func
    if not isinstance(function, ast.Attribute) or ast.unparse(function.value) != "np" or function.attr in MAKERS:
        return False
    numbers = (node for node in ast.walk(call) if isinstance(node, ast.Subscript) and is_entry(node))
    inside = {id(part) for node in numbers for part in ast.walk(node)}
    arrays = {"mu", "logvar", "kl", "dmu", "dlogvar", "dkl"}
    return any(isinstance(node, ast.Name) and node.id in arrays and id(node) not in inside for node in ast.walk(call))


def is_entry(node):
    index = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return len(index) == (1 if ast.unparse(node.value) in ("kl", "dkl") else 2) and not any(
        isinstance(part, ast.Slice) for part in index
    )


def timing(function):
    """Both in turns, on a batch of 4,096 with 64 latent dimensions, without the bounds check of the judging."""
    import numba

    numba.config.BOUNDSCHECK = None
    kernel, rng = numba.njit(function.py_func), np.random.default_rng(0)
    arguments = (rng.standard_normal(4096), *rng.standard_normal((2, 4096, 64)))
    kernel(*arguments)
    ratios = [seconds(in_numpy, arguments) / seconds(kernel, arguments) for _ in range(15)]
    return f"on this machine, now, your kernel is {statistics.median(ratios):.1f} times as fast as NumPy's expressions"


def seconds(function, arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


exercise = Exercise(
    title="A Numba kernel: the KL and its gradients in one pass",
    lesson=13,
    function="kl_and_gradient",
    returns=("kl", "dmu", "dlogvar"),
    draw=draw,
    oracle=oracle,
    upstream="dkl",
    laws=(is_compiled, is_one_pass),
    reward=timing,
    seconds=60.0,
    environment={"NUMBA_BOUNDSCHECK": "1"},
    hints=(
        "For one b and one k, which numbers do the three results need? Read each of them once.",
        "Inside the loop over k: v = math.exp(logvar[b, k]) serves the KL and dlogvar; the KL adds up with +=.",
        "for k in range(K):  v = math.exp(...);  kl[b] += 0.5 * (...);  dmu[b, k] = dkl[b] * ...;  dlogvar[b, k] = ...",
    ),
    why="One exp and one visit to memory for each entry, in the place of half a dozen passes: that is fusion.",
    wrong=(
        Wrong(
            "kl",
            "the upstream gradient is multiplied in: it belongs to the gradients alone",
            lambda dkl, mu, logvar: dkl * integral(mu, logvar),
        ),
    ),
)
