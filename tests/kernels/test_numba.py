"""The Numba backend beyond test_proofs.py: functions of one number, threads, cache, memory, and the same bits."""

import inspect
import math
import os
import pickle
import platform
import re
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.special import digamma

numba = pytest.importorskip("numba")

from minivae import SGD, VAE, Adagrad, Adam, Categorical, Gaussian, TrainingDiverged, fit, warm_up  # noqa: E402
from minivae.backend import load  # noqa: E402
from minivae.gradcheck import relative_error  # noqa: E402
from minivae.kernels import numba_cpu, numba_threads, reference  # noqa: E402

ROOT = Path(__file__).parents[2]
EDGES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38]


def run(code, **environment):
    """What a fresh process prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "NUMBA_NUM"))}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean | environment, cwd=ROOT, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


# ---------------------------------------------------------------------------------------------------------
# exp, expm1, log1p, tanh


def around(*ranges):
    return np.concatenate([*ranges, EDGES]).astype(np.float32)


TINY_TO_ONE = np.geomspace(1e-37, 1, 20_001)
FUNCTIONS = {
    "exp": (numba_cpu._exp32, np.exp, around(np.linspace(-87.3, 88.72, 400_001), TINY_TO_ONE, -TINY_TO_ONE)),
    "expm1": (numba_cpu._expm1_32, np.expm1, around(np.linspace(-100, 88.72, 400_001), TINY_TO_ONE, -TINY_TO_ONE)),
    "log1p": (
        numba_cpu._log1p32,
        np.log1p,
        around(np.linspace(-0.99999, 9, 400_001), np.geomspace(1e-37, 3e38, 50_001)),
    ),
    "tanh": (numba_cpu._tanh32, np.tanh, around(np.linspace(-20, 20, 400_001), TINY_TO_ONE, -TINY_TO_ONE)),
}


def mapped(function):
    @numba.njit(fastmath={"contract"})  # not cached: of cached code Numba does not show the assembly
    def over(x, y):
        for i in range(len(x)):
            y[i] = function(x[i])

    return over


def values_of(function, x):
    y = np.empty_like(x)
    mapped(function)(x, y)
    return y


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_float32_function_is_right_to_two_parts_in_ten_million(name):
    function, exact, x = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        expected = exact(x.astype(np.float64))
        got = values_of(function, x).astype(np.float64)
    normal = np.isfinite(expected) & (abs(expected) > 1.2e-38) & (abs(expected) < 3.4e38)
    assert normal.sum() > 400_000
    assert np.max(abs(got[normal] / expected[normal] - 1)) <= 2e-7
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(got[np.isinf(expected)], expected[np.isinf(expected)])
    assert np.max(abs(got[abs(expected) <= 1.2e-38])) <= 1.2e-38


def test_exp_at_its_ends():
    x = np.array([88.72, 88.73, 89, 1e30, np.inf, -87.3, -87.4, -104, -1e30, -np.inf], np.float32)
    y = values_of(numba_cpu._exp32, x)
    assert np.isfinite(y[0])
    assert np.all(np.isposinf(y[1:5]))
    assert y[5] > 0
    assert np.all((y[6:] >= 0) & (y[6:] <= 1.2e-38))


VECTORS = {  # arithmetic on four or more float32 at once
    "x86_64": r"\sv?(?:add|mul|div|fmadd\d+)ps\s.*%[xyz]mm",
    "aarch64": r"\sf(?:add|mul|div|mla)\s+v\d+\.4s",
}
VECTORS_64 = {  # on two or more float64
    "x86_64": r"\sv?(?:add|mul|div|fmadd\d+)pd\s.*%[xyz]mm",
    "aarch64": r"\sf(?:add|mul|div|mla)\s+v\d+\.2d",
}


def look_at_assembly(compiled, vectors=VECTORS):
    """It works in vector registers, and calls no function of the mathematical library."""
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    if machine not in vectors:
        pytest.skip(f"what vector instructions look like on {machine} is not known here")
    (assembly,) = compiled.inspect_asm().values()
    assert len(re.findall(vectors[machine], assembly)) >= 10
    library = r"(expf|expm1f|log1pf|tanhf|exp|expm1|log|sin|cos|sincos)"
    assert not re.search(rf"call\w*\s+\S*\b{library}\b|\b{library}\b", assembly)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_float32_function_works_in_vector_registers(name):
    function, _, x = FUNCTIONS[name]
    over = mapped(function)
    over(x, np.empty_like(x))
    look_at_assembly(over)


@pytest.mark.parametrize("name", ["_reparameterize_forward", "_kl_of_row", "_gaussian_kl_backward", "_box_muller"])
def test_a_latent_kernel_works_in_vector_registers(name):
    heads, z = np.ones((4, 40), np.float32), np.ones((4, 20), np.float32)
    mu, logvar = heads[:, :20], heads[:, 20:]
    arguments = {
        "_reparameterize_forward": (mu, logvar, z, z),
        "_kl_of_row": (mu[0], logvar[0]),
        "_gaussian_kl_backward": (z[:, 0].copy(), mu, logvar, z, z),
        "_box_muller": (np.full(20, 0.5),),
    }[name]
    kernel = getattr(numba_cpu, name)
    anew = numba.jit(**kernel.targetoptions)(kernel.py_func)  # of cached code Numba does not show the assembly
    anew(*arguments)
    look_at_assembly(anew, VECTORS if name != "_box_muller" else VECTORS_64)


def test_the_logarithm_and_the_circle_of_the_normals_are_right_to_the_last_digits():
    rng = np.random.default_rng(0)
    words = np.concatenate(
        [np.arange(64), 2**32 - 1 - np.arange(64), 2 ** np.arange(32), rng.integers(0, 2**32, 10**5)]
    )
    u = (words + 0.5) * 2.0**-32
    logs = np.array([numba_cpu._log64(one) for one in u])
    np.testing.assert_allclose(logs, np.log(u), rtol=4e-16)
    circle = np.array([numba_cpu._cos_and_sin(one) for one in u])
    eighths = np.round(8 * u)  # NumPy's angles err by 7e-16 themselves: so of what is left, and then around
    rest = 2 * np.pi * (u - eighths / 8)
    turn = np.exp(2j * np.pi * np.arange(9) / 8)
    turn[::2] = [1, 1j, -1, -1j, 1]
    expected = turn[eighths.astype(int)] * (np.cos(rest) + 1j * np.sin(rest))
    np.testing.assert_allclose(circle, np.column_stack([expected.real, expected.imag]), rtol=0, atol=6e-16)
    assert [numba_cpu._cos_and_sin(quarter / 4) for quarter in range(5)] == [(1, 0), (0, 1), (-1, 0), (0, -1), (1, 0)]


# ---------------------------------------------------------------------------------------------------------
# The same functions, whatever is handed in


def test_names_and_signatures_are_the_references():
    backend = load("numba")
    for name in numba_cpu.__all__:
        ours, theirs = getattr(numba_cpu, name), getattr(reference, name)
        assert str(inspect.signature(ours)) == str(inspect.signature(theirs)), name
        assert getattr(backend, name) is ours
    of_free_bits = {"free_bits_forward", "free_bits_backward"}  # a mean of (B, K): nothing to gain
    of_draws = {"importance_bound", "path_gradient"}  # measured: less than 0.6 % of a step
    others = {"to_numpy", "take_rows", "poisson_mean"} | of_free_bits | of_draws
    assert set(reference.__all__) - set(numba_cpu.__all__) == others


def test_arrays_that_are_views_read_only_or_of_another_type_are_taken():
    rng = np.random.default_rng(0)
    x, W, b = rng.standard_normal((6, 8)), rng.standard_normal((8, 10)), rng.standard_normal(10)
    y = reference.linear_forward(x, W, b, "tanh")
    wide, out = np.zeros((6, 20)), np.zeros((10, 6)).T
    wide[:, ::2] = y
    view = np.asfortranarray(x)
    view.flags.writeable = False
    assert numba_cpu.linear_forward(view, W, b, "tanh", out=out) is out
    np.testing.assert_allclose(out, y, rtol=1e-12)
    expected = reference.activation_backward(y, y, "tanh")
    np.testing.assert_allclose(numba_cpu.activation_backward(wide[:, ::2], y, "tanh"), expected, rtol=1e-12)
    nll, dlogits = numba_cpu.bernoulli_nll(y, y > 0, np.ones(6))
    np.testing.assert_allclose(nll, reference.bernoulli_nll(y, y > 0)[0], rtol=1e-12)
    assert dlogits.dtype == np.float64
    assert numba_cpu.asarray(view, "float64").flags.writeable


def test_large_arrays_lie_on_large_pages_and_do_not_begin_at_the_same_place_of_one():
    arrays = [numba_cpu.zeros((1100, 512), "float32") for _ in range(4)]
    starts = [array.ctypes.data % numba_cpu.LARGE_PAGE for array in arrays]
    assert len(set(starts)) == 4
    assert all(start < numba_cpu.MOST_OFFSET and start % 64 == 0 for start in starts)
    for array in (*arrays, numba_cpu.zeros(5, "float64"), numba_cpu.zeros((0, 3), "float32")):
        assert array.flags.c_contiguous
        assert not array.any()
        array[...] = 1  # and none reaches into another
    assert numba_cpu.zeros((0, 3), "float32").shape == (0, 3)


def awkward(array):
    """The same numbers, wherever they lie: halves of longer rows, every second one, backwards, by columns."""
    n, width = array.shape
    twice, between = np.zeros((n, 2 * width)), np.zeros((n, 2 * width))
    twice[:, width:], between[:, ::2] = array, array
    return [twice[:, width:], between[:, ::2], array[::-1].copy()[::-1], np.asfortranarray(array)]


@pytest.mark.parametrize("width", [1, 3, 20])
def test_the_latent_kernels_take_rows_that_lie_anywhere(width):
    rng = np.random.default_rng(0)
    mu, logvar, third = rng.standard_normal((3, 7, width))
    one_row, dkl = np.broadcast_to(mu[:1], mu.shape), mu[:, 0].copy()
    for a, b, c in zip(awkward(mu), awkward(logvar), awkward(third), strict=True):
        for name, given, outs in (
            ("reparameterize_forward", (a, b, c), ("out",)),
            ("reparameterize_backward", (a, b, c), ("dmu", "dlogvar")),
            ("gaussian_kl_forward", (one_row, b), ()),
            ("gaussian_kl_forward", (a, b), ()),
            ("gaussian_kl_backward", (dkl, a, b), ("dmu", "dlogvar")),
            ("log_weights", (dkl, a, b, c), ()),
        ):
            expected = getattr(reference, name)(*given)
            for places in ({}, {out: np.full((width, 7), 7.0).T for out in outs}):
                got = getattr(numba_cpu, name)(*given, **places)
                np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-15)
                for place, result in zip(places.values(), got if len(outs) == 2 else [got], strict=False):
                    assert result is place


def test_tiles_cover_everything_once_and_nothing_else():
    for cut in (numba_cpu._tile, numba_cpu._rows):
        for n in range(150):
            for count in (1, 2, 3, 7, 16, 64):
                tiles = [cut(n, t, count) for t in range(count)]
                assert [i for start, stop in tiles for i in range(start, stop)] == list(range(n)), (n, count)


@pytest.mark.parametrize("shape", [(47, 40, 20), (6, 5, 3), (20, 30, 400), (301, 7, 9)])
def test_any_number_of_tiles_gives_the_same_and_writes_nowhere_else(shape):
    B, I, O = shape
    rng = np.random.default_rng(0)
    x, W, b, da = (rng.standard_normal(s) for s in ((B, I), (I, O), (O,), (B, O)))
    y, dx, dW = np.full((B + 9, O), 7.0), np.full((B + 9, I), 7.0), np.full((I + 9, O), 7.0)
    db = np.full(O + 9, 7.0)
    for count in (1, 2, 3, 5, 16):
        numba_cpu._linear_forward(count, x, W, b, numba_cpu.TANH, y[:B])
        numba_cpu._linear_backward(count, da, x, W, True, dx[:B], dW[:I], db[:O])
        np.testing.assert_allclose(y[:B], np.tanh(x @ W + b), rtol=1e-12)
        for out, expected in ((dx, da @ W.T), (dW, x.T @ da), (db, da.sum(axis=0))):
            np.testing.assert_allclose(out[: len(expected)], expected, rtol=1e-10, atol=1e-12)
        for out, size in ((y, B), (dx, B), (dW, I), (db, O)):
            assert np.all(out[size:] == 7)


def test_threads_that_draw_at_the_same_time_are_not_in_each_others_way():
    code = """if True:
        import numpy as np
        from minivae.kernels import numba_cpu
        examples = np.arange(20_000)
        together, alone = np.empty((20_000, 5)), np.empty((20_000, 5))
        numba_cpu.standard_normal(0, 0, 0, examples, out=together)
        for start in range(0, 20_000, 100):
            rows = slice(start, start + 100)  # too few for a second thread
            numba_cpu.standard_normal(0, 0, 0, examples[rows], out=alone[rows])
        print(numba_cpu.pool.tiles(2**20), np.array_equal(together, alone))
    """
    assert run(code, NUMBA_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2") in {"2 True", "1 True"}  # 1 without OpenMP


@pytest.fixture(params=[True, False], ids=["small kernels", "none"])
def cuts_products(request):
    """As if BLAS had kernels for small products, or had none: what is computed must not depend on it."""
    has_any, numba_cpu._small_kernels.value = numba_cpu._small_kernels.value, request.param
    yield
    numba_cpu._small_kernels.value = has_any


# Of dx: blocks with rests on both sides, and more rows than terms, so that nothing is cut. Of y: lower blocks with
# rests, narrow ones, a W too large to cut. The count of tiles: both ways to cut.
SHAPES = [(1, 300, 900), (20, 784, 200), (70, 784, 130), (300, 2000, 9), (66, 90, 31), (14, 1100, 2000)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-4)])
def test_a_product_in_blocks_is_the_product(cuts_products, shape, dtype, rtol):
    B, I, O = shape
    rng = np.random.default_rng(0)
    x, W, b, da = (rng.standard_normal(s).astype(dtype) for s in ((B, I), (I, O), (O,), (B, O)))
    y, dx, dW, db = (np.full(s, 7.0, dtype) for s in ((B, O), (B, I), (I, O), (O,)))
    for count in (1, 3):
        numba_cpu._linear_forward(count, x, W, b, numba_cpu.IDENTITY, y)
        numba_cpu._linear_backward(count, da, x, W, True, dx, dW, db)
        for out, expected in ((y, x @ W + b), (dx, da @ W.T), (dW, x.T @ da)):
            np.testing.assert_allclose(out, expected, rtol=rtol, atol=rtol * np.sqrt(max(shape)))
            out[:] = 7


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_rows_of_logits_share_a_logarithm_that_does_not_overflow(dtype):
    logits = np.zeros((2, 3 * numba_cpu.AT_ONCE + 7), dtype)  # each factor is 2, the largest there is
    logits[1, ::3] = 30
    x, observed = np.zeros_like(logits), np.ones_like(logits)
    expected = np.logaddexp(0, logits.astype(float)).sum(axis=1)
    for seen in (None, observed):
        np.testing.assert_allclose(numba_cpu.bernoulli_nll(logits, x, observed=seen)[0], expected, rtol=1e-6)


def test_blocks_are_such_as_small_kernels_take():
    rng = np.random.default_rng(0)
    cut = 0
    for rows, columns, k in np.round(np.exp(rng.uniform(0, 8, (4000, 3)))).astype(int):
        for transposed in (False, True):
            height, width = numba_cpu._block(rows, columns, k, transposed)
            if (height, width) != (rows, columns):
                cut += 1
                assert 0 < height * width * k <= numba_cpu.MOST
                assert height <= rows
                assert width <= columns or transposed  # there 8 are the least
                if transposed:
                    assert height * width <= numba_cpu.MOST_OF_C
                    assert k >= max(rows, numba_cpu.LEAST_SUM)
                else:
                    assert columns * k <= numba_cpu.LARGEST_B
    assert cut > 1000


def test_a_sum_too_long_for_any_block_is_left_to_blas_as_it_is(cuts_products):
    k = numba_cpu.MOST // 8 + 1
    a, b, c = np.ones((40, k), np.float32), np.ones((31, k), np.float32), np.full((40, 31), 7, np.float32)
    numba_cpu._product(a, False, b, True, c)
    assert np.all(c == k)


def test_counts_with_holes_in_any_number_of_tiles_are_those_of_the_reference():
    rng = np.random.default_rng(0)
    l, observed, upstream = rng.normal(size=(47, 9)), (rng.random((47, 9)) < 0.7) * 1.0, rng.normal(size=47)
    x, log_size = np.floor(np.exp(2 + l)) * observed, np.linspace(-25, 8, 9)  # below -20 it is held
    l[0, 0], observed[0, 0] = 35.0, 1.0  # beyond LARGEST_LOG_RATE exp goes on as its tangent
    for size, expected in (
        (None, reference.poisson_nll(l, x, upstream, observed=observed)),
        (log_size, reference.negative_binomial_nll(l, log_size, x, upstream, observed=observed)),
    ):
        for count in (1, 2, 3, 5, 16):
            nll, dl, sums = np.full(56, 7.0), np.full((56, 9), 7.0), np.zeros((count, 9))
            numba_cpu._count_nll(count, l, size, x, observed, upstream, nll[:47], dl[:47], sums)
            assert np.all(nll[47:] == 7)
            assert np.all(dl[47:] == 7)
            for mine, right in zip((nll[:47], dl[:47], sums.sum(axis=0)), expected, strict=False):
                np.testing.assert_allclose(mine, right, rtol=1e-10, atol=1e-10)


def test_digamma_is_that_of_scipy():
    x = np.concatenate([np.geomspace(2e-9, 1e10, 2000), np.linspace(0.5, 30, 500)])
    error = np.abs(np.array([numba_cpu._digamma(one) for one in x]) - digamma(x))
    assert (error / np.maximum(np.abs(digamma(x)), 1)).max() < 1e-14


def test_shapes_that_do_not_fit_are_refused_before_compiled_code_reads_beyond_them():
    x, row, v = np.ones((6, 8)), np.ones((1, 8)), np.ones(6)
    calls = (
        lambda: numba_cpu.linear_forward(x, np.ones((3, 10)), np.ones(10)),
        lambda: numba_cpu.linear_backward(x, x, np.ones((8, 9))),
        lambda: numba_cpu.activation_backward(x, row, "relu"),
        lambda: numba_cpu.reparameterize_forward(x, x, row),
        lambda: numba_cpu.reparameterize_backward(x, x, row),
        lambda: numba_cpu.gaussian_kl_forward(x, row),
        lambda: numba_cpu.gaussian_kl_backward(v[:5], x, x),
        lambda: numba_cpu.log_weights(v[:5], x, x, x),
        lambda: numba_cpu.bernoulli_nll(x, row),
        lambda: numba_cpu.bernoulli_nll(x, x, v[:5]),
        lambda: numba_cpu.gaussian_nll(x, v[:1], row),
        lambda: numba_cpu.lognormal_nll(x, v[:1], row),
        lambda: numba_cpu.poisson_nll(x, row),
        lambda: numba_cpu.negative_binomial_nll(x, v, x),
        lambda: numba_cpu.categorical_nll(x, x, (30, 30)),
        lambda: numba_cpu.categorical_mean(x, (30, 30)),
        lambda: numba_cpu.adam_update(v, v, v, v[:5], 1, learning_rate=1, beta1=0, beta2=0, epsilon=1),
        lambda: numba_cpu.sgd_update(v, v[:5], v, learning_rate=1, momentum=0),
        lambda: numba_cpu.adagrad_update(v, v[:5], v, learning_rate=1, epsilon=1),
        lambda: numba_cpu.add_penalty(v, v[:5], l1=1, l2=1),
        lambda: numba_cpu.uniform(0, 0, 0, np.arange(5), out=x),
        lambda: numba_cpu.binarize(row, 0, 0, np.arange(6), out=x),
    )
    for call in calls:
        with pytest.raises(ValueError, match="these shapes should be the same"):
            call()


def test_a_buffer_of_another_shape_is_refused_and_nothing_is_written_beyond_it():
    x, v = np.ones((6, 8)), np.ones(6)
    short = np.full((6, 8), 7.0)
    calls = (
        lambda: numba_cpu.linear_forward(x, np.eye(8), np.ones(8), out=short[:5]),
        lambda: numba_cpu.linear_backward(x, x, np.eye(8), dx=short[:5]),
        lambda: numba_cpu.activation_backward(x, x, "relu", out=short[:5]),
        lambda: numba_cpu.reparameterize_forward(x, x, x, out=short[:5]),
        lambda: numba_cpu.reparameterize_backward(x, x, x, dmu=short[:5]),
        lambda: numba_cpu.gaussian_kl_forward(x, x, out=short[0, :5]),
        lambda: numba_cpu.gaussian_kl_backward(v, x, x, dlogvar=short[:5]),
        lambda: numba_cpu.bernoulli_nll(x, x, v, dlogits=short[:5]),
        lambda: numba_cpu.gaussian_nll(x, v[:1], x, v, dmean=short[:5]),
        lambda: numba_cpu.categorical_nll(x, x, (8,), v, nll=short[0, :5]),
        lambda: numba_cpu.reparameterize_forward(x, x, x, out=np.broadcast_to(1.0, (6, 8))),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"read-only|these shapes should be the same|could not broadcast"):
            call()
    assert np.all(short[5] == 7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["identity", "relu", "leaky_relu", "tanh", "sigmoid", "softplus"])
def test_nan_stays_nan(activation, dtype):
    x = np.ones((40, 33), dtype)
    x[3, 5] = np.nan
    identity, zeros = np.eye(33, dtype=dtype), np.zeros(33, dtype)
    with np.errstate(invalid="ignore"):
        y = numba_cpu.linear_forward(x, identity, zeros, activation)
        assert np.isnan(y[3]).all()  # NaN times zero is NaN
        assert np.isfinite(np.delete(y, 3, axis=0)).all()
        da = numba_cpu.activation_backward(x, np.zeros_like(x), activation)
    assert np.isnan(da[3, 5])
    for nll in (
        numba_cpu.bernoulli_nll(x, x, zeros[:1].repeat(40))[0],
        numba_cpu.gaussian_nll(x, zeros, x)[0],
        numba_cpu.categorical_nll(x, x, (30, 3))[0],
        numba_cpu.gaussian_kl_forward(x, x),
    ):
        np.testing.assert_array_equal(np.isnan(nll), np.arange(40) == 3)


@pytest.mark.parametrize(
    ("likelihood", "optimizer"), [("bernoulli", Adam), (Gaussian(), SGD), (Categorical((20, 30)), Adagrad)]
)
def test_the_trajectory_is_the_references_in_float64(likelihood, optimizer):
    x = np.hstack([np.eye(20)[np.arange(640) % 20], np.eye(30)[np.arange(640) % 30]])
    begun, *ended = (
        VAE(50, (40,), 6, likelihood=likelihood, dtype="float64", backend=name, seed=3)
        for name in ("numpy", "numpy", "numba")
    )
    for vae in ended:
        fit(vae, x, epochs=5, batch_size=64, optimizer=optimizer(1e-3), l1=1e-4, l2=1e-3, progress=False)
        assert vae.step == 50
    before, numpys, numbas = (vae.store.vector for vae in (begun, *ended))
    assert relative_error(numbas, numpys) < 1e-9
    assert relative_error(before, numpys) > 1e-3


def test_the_same_run_twice_gives_the_same_bits():
    x = (np.random.default_rng(0).random((2000, 200)) < 0.3).astype(np.float32)
    runs = []
    for _ in range(3):
        vae = VAE(200, (120,), 10, likelihood=Gaussian("per_dimension"), backend="numba")
        fit(vae, x, epochs=2, l1=1e-4, progress=False)
        runs.append(vae.store.vector.copy())
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_means_do_not_linger_as_subnormal_numbers(dtype):
    """As in a unit that is off: most processors are many times slower with them."""
    smallest = np.finfo(dtype).tiny
    w, g, m, v, u = (np.full(50, value, dtype) for value in (1, 0, smallest, smallest, smallest))
    for t in range(1, 4):
        numba_cpu.adam_update(w, g, m, v, t, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)
        numba_cpu.sgd_update(w, g, u, learning_rate=1e-3, momentum=0.9)
    assert not m.any()
    assert not v.any()
    assert not u.any()
    assert np.all(w == 1)
    m[0] = np.nan
    numba_cpu.adam_update(w, g, m, v, 4, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)
    assert np.isnan(w[0])


def test_a_step_allocates_nothing_large():
    vae, optimizer = VAE(784, (400,), 20, backend="numba"), Adam()
    x, rows = np.zeros((128, 784), np.float32), np.arange(128)

    def step():
        vae.forward_backward(x, vae.noise(rows))
        optimizer.step(vae)

    step()
    step()
    assert allocated(step) < 64 * 1024
    assert allocated(lambda: (step(), x.copy())) >= x.nbytes > 64 * 1024  # which would be seen


def allocated(function):
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------------------------------------------------
# Threads


def blas_threads():
    return numba_threads.library().get_num_threads()


@pytest.mark.skipif(numba_threads.library() is None, reason="this BLAS does not say how many threads it has")
def test_blas_has_its_threads_again_afterwards_whatever_happens():
    before = blas_threads()
    inside = 1 if min(before, numba.get_num_threads()) > 1 and numba_threads.layer() != "workqueue" else before

    def nested():
        with numba_threads.pool:
            with numba_threads.pool:
                assert blas_threads() == inside
            assert blas_threads() == inside
            raise KeyError

    with pytest.raises(KeyError):
        nested()
    assert blas_threads() == before
    vae = VAE(20, (10,), 2, likelihood="gaussian", backend="numba")
    fit(vae, np.zeros((64, 20)), epochs=1, progress=False)
    assert blas_threads() == before
    with pytest.raises(TrainingDiverged):
        fit(vae, np.ones((64, 20)), epochs=9, optimizer=SGD(1e30), progress=False)
    assert blas_threads() == before
    vae.log_likelihood(np.zeros((64, 20)), 5)
    assert blas_threads() == before


@pytest.mark.slow
@pytest.mark.skipif(numba_threads.library() is None, reason="this BLAS does not say how many threads it has")
def test_whoever_limits_blas_or_numba_limits_the_pool():
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), numba_threads.pool:
        assert numba_threads.pool.width == 1
    code = "from minivae.kernels.numba_threads import pool\nwith pool: print(pool.width)"
    assert run(code, NUMBA_NUM_THREADS="1", OPENBLAS_NUM_THREADS="2") == "1"
    assert run(code, NUMBA_NUM_THREADS="2", OPENBLAS_NUM_THREADS="1") == "1"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert run(code, OPENBLAS_NUM_THREADS=str(cores)) in {str(cores), "1"}  # 1 where there is no OpenMP


def test_an_interrupt_while_the_pool_is_entered_leaves_it_as_it_was(monkeypatch):
    pool = numba_threads.Pool()

    def interrupted(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(numba_threads.Pool, "_measure", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.__enter__()
    with pool:
        assert pool.inside == 1
    assert pool.inside == 0


@pytest.mark.skipif(numba_threads.library() is None, reason="this BLAS does not say how many threads it has")
def test_asking_for_tiles_does_not_disturb_who_is_inside():
    before, pool = blas_threads(), numba_threads.Pool()
    with pool:
        width = pool.width
        assert pool.tiles(10**6) == width
        pool._measure()
        assert pool.of_blas == before
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.slow
def test_a_forked_process_goes_on_with_one_tile():
    code = """
import os, warnings
import numpy as np
warnings.simplefilter("ignore")
from minivae import VAE, fit
from minivae.kernels.numba_threads import pool
x = np.zeros((300, 64))
fit(VAE(64, (100,), 5, backend="numba"), x, epochs=1, progress=False)
child = os.fork()
if child == 0:
    vae = VAE(64, (100,), 5, backend="numba")
    fit(vae, x, epochs=1, progress=False)
    with pool:
        os._exit(0 if pool.width == 1 and np.isfinite(vae.store.vector).all() else 1)
print(os.waitpid(child, 0)[1])
"""
    assert run(code) == "0"


TRAINED = """
import numpy as np, os
before = dict(os.environ)
{first}
from minivae import VAE, fit
from minivae.kernels import numba_threads
x = (np.random.default_rng(0).random((512, 64)) < 0.5).astype("f")
vae = VAE(64, (100,), 5, backend="numba", dtype="float64")
fit(vae, x, epochs=2, progress=False)
changed = {{name for name in set(before) | set(os.environ) if before.get(name) != os.environ.get(name)}}
print(numba_threads.layer(), repr(float(np.abs(vae.store.vector).sum())), sorted(changed - {{"KMP_INIT_AT_FORK"}}))
"""


def trained(first="", **environment):
    layer, total, changed = run(TRAINED.format(first=first), **environment).split(" ", 2)
    return layer, float(total), changed


@pytest.mark.slow
def test_without_openmp_and_after_another_openmp_the_result_is_the_same():
    layer, total, changed = trained()
    assert layer in {"omp", "tbb", "workqueue"}
    assert changed == "[]", "the environment is as it was"
    without = trained(NUMBA_THREADING_LAYER="workqueue")
    assert without[0] == "workqueue"
    assert math.isclose(without[1], total, rel_tol=1e-9)
    another = trained("from sklearn.cluster import KMeans; KMeans(2, n_init=1).fit(np.random.rand(3000, 2))")
    assert math.isclose(another[1], total, rel_tol=1e-9)
    chosen = trained(OMP_WAIT_POLICY="ACTIVE", OMP_NUM_THREADS="1")
    assert math.isclose(chosen[1], total, rel_tol=1e-9)


def test_two_models_may_train_at_the_same_time():
    x = (np.random.default_rng(0).random((600, 90)) < 0.5).astype(np.float32)
    before = blas_threads() if numba_threads.library() else 0
    models = [VAE(90, (80,), 4, backend="numba", seed=1) for _ in range(3)]
    fit(models[0], x, epochs=3, progress=False)
    threads = [threading.Thread(target=fit, args=(vae, x, 3), kwargs={"progress": False}) for vae in models[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for vae in models[1:]:
        assert relative_error(vae.store.vector, models[0].store.vector) < 1e-5
    assert before == (blas_threads() if numba_threads.library() else 0)


# ---------------------------------------------------------------------------------------------------------
# Compilation


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    """Neither the folder of the module nor that of the user: Numba then refuses to cache, and we do without."""
    code = """
import sys
from numba.core import caching
caching._CacheLocator.ensure_cache_path = lambda self: (_ for _ in ()).throw(OSError("read-only"))
caching.tempfile.TemporaryFile = lambda *args, **kwargs: (_ for _ in ()).throw(OSError("read-only"))
import numpy as np
from minivae.kernels import numba_cpu
print(numba_cpu.bernoulli_mean(np.zeros((1, 2))), type(numba_cpu._bernoulli_mean._cache).__name__)
"""
    assert run(code) == "[[0.5 0.5]] NullCache"


@pytest.mark.slow
def test_what_was_compiled_is_found_on_disk(tmp_path):
    code = """
import numpy as np
from minivae.kernels import numba_cpu
numba_cpu.bernoulli_mean(np.zeros((1, 2)))
print(sum(numba_cpu._bernoulli_mean.stats.cache_hits.values()))
"""
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == "0"
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == "1"


@pytest.mark.slow
def test_a_damaged_cache_or_a_full_disk_means_to_compile_again(tmp_path):
    code = """
import resource, sys
import numpy as np
from minivae.kernels import numba_cpu
if sys.argv[1:] == ["full"]:
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
print(numba_cpu.bernoulli_mean(np.zeros((1, 2))))
"""
    if os.name == "nt":
        pytest.skip("needs the resource module")
    full = code.replace("sys.argv[1:]", "['full']")
    assert run(full, NUMBA_CACHE_DIR=str(tmp_path / "full")) == "[[0.5 0.5]]"
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path / "damaged")) == "[[0.5 0.5]]"
    files = [path for path in (tmp_path / "damaged").rglob("*") if path.suffix in (".nbi", ".nbc")]
    assert files
    whole = {path: path.read_bytes() for path in files}
    hits = code + "print(sum(numba_cpu._bernoulli_mean.stats.cache_hits.values()))"
    for damage in (b"", b"\x80\x05", b"not a pickle\n", pickle.dumps(3), pickle.dumps("0.1")):
        for path, content in whole.items():
            path.write_bytes(damage if len(damage) < 5 else damage + content[len(damage) :])
        assert run(code, NUMBA_CACHE_DIR=str(tmp_path / "damaged")) == "[[0.5 0.5]]"
        assert run(hits, NUMBA_CACHE_DIR=str(tmp_path / "damaged")) == "[[0.5 0.5]]\n1"  # it was written anew


def test_numba_that_may_not_compile_is_refused_in_one_sentence():
    code = """
from minivae import VAE, BackendError
try:
    VAE(4, (3,), 2, backend="numba")
except BackendError as error:
    print(error)
"""
    assert "NUMBA_DISABLE_JIT is set in the environment" in run(code, NUMBA_DISABLE_JIT="1")


def test_warm_up_compiles_all_that_training_needs(monkeypatch):
    for likelihood in ("bernoulli", "gaussian", Categorical((3, 4))):
        vae = VAE(7, (6,), 3, likelihood=likelihood, backend="numba")
        before = vae.store.vector.copy()
        warm_up(vae)
        np.testing.assert_array_equal(vae.store.vector, before)
        compiled = {
            name: len(value.signatures) for name, value in vars(numba_cpu).items() if hasattr(value, "signatures")
        }
        x = np.zeros((64, 7))
        x[:, [0, 3]] = 1
        fit(vae, x, epochs=1, batch_size=21, l1=1e-3, validation=x, progress=False)  # 64 = 3 * 21 + 1
        vae.reconstruct(x)
        vae.sample(3)
        vae.log_likelihood(x, n_samples=20)
        after = {name: len(getattr(numba_cpu, name).signatures) for name in compiled}
        assert after == compiled


@pytest.mark.parametrize("seconds", [0.5, 1.5])
@pytest.mark.parametrize("progress", [True, False])
def test_compiling_is_said_only_when_it_is_slow(capsys, monkeypatch, seconds, progress):
    from minivae.system import progress as shown

    class Timer:  # rings at once, if it would have rung
        def __init__(self, after, say, words):
            self.ring = (lambda: say(*words)) if after <= seconds else lambda: None

        def start(self):
            self.ring()

        def cancel(self):
            pass

    clock = iter([10.0, 10.0 + seconds, 10.0 + seconds])
    monkeypatch.setattr(shown, "Timer", Timer)
    monkeypatch.setattr(shown, "perf_counter", lambda: next(clock))
    with shown.said_if_slow("compiling", progress):
        pass
    said = "compiling (only the first time) ...\ncompiling took 1.5 s\n"
    assert capsys.readouterr().err == (said if progress and seconds > 1 else "")


def test_numpy_needs_no_warm_up(monkeypatch):
    from minivae.training import warmup

    monkeypatch.setattr(warmup, "_exercise", lambda *_: pytest.fail("there is nothing to compile"))
    warm_up(VAE(7, (6,), 3, backend="numpy"))
