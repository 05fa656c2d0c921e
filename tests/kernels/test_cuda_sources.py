"""The CUDA sources where there is no GPU: the real compiler takes them, and their formulas are the reference's.

NVRTC needs no driver. The per-element functions in elements.cuh and philox.cuh are plain C++, which the compiler of
this machine builds into a library. What the kernels do with them is the business of tests/cuda_on_host.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from minivae.kernels import philox, reference

SOURCES = Path(reference.__file__).with_name("cuda")
FILES = [path.name for path in sorted(SOURCES.glob("*.cu"))]
EVERYTHING = "\n".join(f'#include "{name}"' for name in FILES)
REAL = {"float32": "float", "float64": "double"}


# ---------------------------------------------------------------------------------------------------------
# NVRTC, as CuPy calls it

BY_CUPY = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy adds to the options of cuda_launch.py


@pytest.fixture(scope="session")
def nvrtc():
    """The library of NVRTC, from the wheel nvidia-cuda-nvrtc-cu12."""
    folder = Path(sysconfig.get_path("purelib"), "nvidia", "cuda_nvrtc", "lib")
    found = sorted(folder.glob("libnvrtc.so.*"))
    if not found:
        pytest.skip("there is no NVRTC here: pip install nvidia-cuda-nvrtc-cu12 (Linux only)")
    return ctypes.CDLL(str(found[0]))


def compile_for_gpu(nvrtc, source, *options):
    """Compile a program; returns its PTX, and raises AssertionError with the log unless that is empty."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"source.cu", 0, None, None) == 0
    options = ("--std=c++17", f"-I{SOURCES}", *BY_CUPY, *options)
    values = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = nvrtc.nvrtcCompileProgram(program, len(options), values)

    def text(kind):
        getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, f"nvrtcGet{kind}")(program, buffer)
        return buffer.value.decode()

    log = text("ProgramLog").strip()
    ptx = text("PTX") if status == 0 else ""
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    assert (status, log) == (0, ""), log
    return ptx


@pytest.mark.parametrize("real", REAL.values())
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_every_source_compiles_without_a_word(architecture, real, nvrtc):
    """All files as one program, and with little optimization: that is three times faster."""
    assert len(FILES) == 6
    options = (f"--gpu-architecture={architecture}", f"-DREAL={real}", "--Ofast-compile=max")
    assert ".entry adam(" in compile_for_gpu(nvrtc, EVERYTHING, *options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("int j = int(element % width)", 'source.cu(13): error: expected a ";"'),
        ("int j = 0, k = 0;", 'source.cu(12): warning #177-D: variable "k" was declared but never referenced'),
    ],
    ids=["error", "warning"],
)
def test_a_broken_source_fails_with_its_line(line, message, nvrtc):
    source = (SOURCES / "training.cu").read_text(encoding="utf-8").splitlines()
    assert source[11].strip() == "int j = int(element % width);"
    source[11] = line
    with pytest.raises(AssertionError, match=re.escape(message)):
        compile_for_gpu(nvrtc, "\n".join(source), "--gpu-architecture=sm_90", "-DREAL=float")


def test_float_kernels_hold_no_double_arithmetic_but_sums(nvrtc):
    """Doubles cost a GPU dearly, and one 0.5 among floats makes them; the noise and Adam's step size are meant to."""
    free = {"fill_uniform", "fill_normal", "binarize", "draw_tickets", "adam", "penalty", "count_step"}
    sums = {"column_sums", "gaussian_kl", "bernoulli_nll", "gaussian_nll", "gaussian_dlogvar", "categorical_nll"}
    sums |= {"sum_to", "categorical_mean"}
    kernels = {}
    for name in FILES:  # each by itself, as CuPy compiles it
        ptx = compile_for_gpu(nvrtc, f'#include "{name}"', "--gpu-architecture=compute_90", "-DREAL=float")
        kernels |= re.findall(r"\.entry (\w+)\((.*?)\n}\n", ptx, re.DOTALL)
    assert len(kernels) == 25
    assert free | sums < kernels.keys()
    for name in kernels.keys() - free:
        used = set(re.findall(r"\b([a-z]+)(?:\.\w+)*\.f64", kernels[name]))
        assert used <= {"ld", "cvt"} | ({"st", "mov", "add", "sub"} if name in sums else set()), name


# ---------------------------------------------------------------------------------------------------------
# The same functions, built for this machine

FORMULAS = {
    "activation": "activate(int(b), a)",
    "activation_derivative": "activation_derivative(int(b), a)",
    "softplus": "softplus(a)",
    "sigmoid": "sigmoid(a)",
    "standard_deviation": "standard_deviation(a)",
    "kl_term": "gaussian_kl_term(a, b)",
    "kl_dlogvar": "gaussian_kl_dlogvar(a)",
    "bernoulli_term": "bernoulli_nll_term(a, b, softplus(a))",
    "bernoulli_dlogit": "bernoulli_dlogit(a, b, softplus(a))",
    "gaussian_term": "gaussian_nll_term(c, gaussian_residual(a, b, c).r)",
    "gaussian_dmean": "gaussian_residual(a, b, c).dmean",
    "gaussian_dlogvar": "gaussian_nll_dlogvar(gaussian_residual(a, b, c).r)",
    "penalty": "penalty_gradient(a, b, c)",
}
ELEMENTWISE = """
EXPORT void NAME_REAL(int n, const REAL* A, const REAL* B, const REAL* C, REAL* out) {
    for (int i = 0; i < n; ++i) {
        [[maybe_unused]] REAL a = A[i], b = B[i], c = C[i];
        out[i] = FORMULA;
    }
}
"""
OTHERS = """
EXPORT void log_softmax_REAL(int n, int width, const REAL* l, REAL* out) {
    for (int i = 0; i < n * width; ++i) out[i] = log_softmax(l[i], softmax_of(l + i / width * width, width));
}
EXPORT void sgd_REAL(int n, REAL* w, const REAL* g, REAL* u, double learning_rate, double momentum) {
    for (int i = 0; i < n; ++i) sgd_element(w[i], g[i], u[i], REAL(learning_rate), REAL(momentum));
}
EXPORT void adagrad_REAL(int n, REAL* w, const REAL* g, REAL* s, double learning_rate, double epsilon) {
    for (int i = 0; i < n; ++i) adagrad_element(w[i], g[i], s[i], REAL(learning_rate), REAL(epsilon));
}
EXPORT void adam_REAL(int n, REAL* w, const REAL* g, REAL* m, REAL* v, unsigned t, double learning_rate, double beta1,
                      double beta2, double epsilon) {
    AdamStep step = adam_step(t, learning_rate, beta1, beta2, epsilon);
    for (int i = 0; i < n; ++i) adam_element(w[i], g[i], m[i], v[i], beta1, beta2, step);
}
"""
NOISE = """
EXPORT void adam_step(unsigned t, double learning_rate, double beta1, double beta2, double epsilon, double* out) {
    AdamStep step = adam_step(t, learning_rate, beta1, beta2, epsilon);
    out[0] = step.size, out[1] = step.root_epsilon;
}
EXPORT void noise(int n, const unsigned* counters, const unsigned long long* seeds, unsigned* words, double* uniforms,
                  double* normals) {
    for (int i = 0; i < n; ++i) {
        const unsigned* c = counters + 4 * i;
        Words drawn = philox4x32(c[0], c[1], c[2], c[3], seeds[i]);
        FourNumbers u = to_unit_interval(drawn), normal = box_muller(u);
        for (int j = 0; j < 4; ++j) {
            words[4 * i + j] = drawn.word[j];
            uniforms[4 * i + j] = u.number[j];
            normals[4 * i + j] = normal.number[j];
        }
    }
}
"""
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wdouble-promotion", "-Werror")


def host_source():
    """A C++ file with every function for arrays, in both precisions."""
    elementwise = [ELEMENTWISE.replace("NAME", name).replace("FORMULA", code) for name, code in FORMULAS.items()]
    typed = [code.replace("REAL", real) for code in (*elementwise, OTHERS) for real in REAL.values()]
    start = '#include "elements.cuh"\n#include "philox.cuh"\n#define EXPORT extern "C"\n'
    return start + "".join(typed) + NOISE


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """The library of these functions."""
    compiler = shutil.which(os.environ.get("CXX") or "g++")
    if compiler is None or sys.platform == "win32":
        pytest.skip("there is no C++ compiler to build the per-element functions with")
    folder = tmp_path_factory.mktemp("cuda_sources")
    (folder / "host.cpp").write_text(host_source())
    flags = ("-std=c++17", "-O1", "-shared", "-fPIC", *WARNINGS, f"-I{SOURCES}")
    command = [compiler, *flags, "host.cpp", "-o", "host.so"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(folder / "host.so"))


def pointers(*arrays):
    assert all(array.flags.c_contiguous for array in arrays)
    return [ctypes.c_void_p(array.ctypes.data) for array in arrays]


def element(host, name, dtype, *arrays):
    """A formula for each element of up to three arrays, in ``dtype``."""
    a, b, c = (np.array(x, dtype) for x in np.broadcast_arrays(*arrays, *[0.0] * (3 - len(arrays))))
    out = np.empty_like(a)
    getattr(host, f"{name}_{REAL[dtype]}")(a.size, *pointers(a, b, c, out))
    return out


def agree(got, expected, dtype, rounding=None):
    """Equal to 1e-12 or, in float32, 1e-6: relatively, and absolutely unless a smaller ``rounding`` is given."""
    tolerance = {"float32": 1e-6, "float64": 1e-12}[dtype]
    rounding = tolerance if rounding is None else rounding
    assert got.dtype == dtype
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    excess = np.abs(got - expected) - (rounding + tolerance * np.abs(expected))
    assert not np.any(excess > 0), np.nanmax(excess)


def grid(dtype, largest=800.0):
    """Arguments of every size and sign, as numbers of ``dtype``."""
    sizes = np.array([0, 1e-30, 1e-8, 1e-3, 0.1, 0.5, 1, 2, 5, 10, 20, 36, 50, 87, 100, 700, largest])
    sizes = sizes[sizes <= largest]
    values = np.concatenate((-sizes, sizes, np.random.default_rng(0).normal(0, 5, 200)))
    return values.astype(dtype).astype(float)


DTYPES = pytest.mark.parametrize("dtype", REAL)
CODES = {"identity": 0, "relu": 1, "tanh": 2, "sigmoid": 3, "softplus": 4, "leaky_relu": 5}


@DTYPES
@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_activations_and_their_derivatives(name, dtype, host):
    act, derivative = reference.ACTIVATIONS[name]
    a = np.append(grid(dtype), np.nan)
    y = act(a).astype(dtype).astype(float)
    agree(element(host, "activation", dtype, a, CODES[name]), y, dtype)
    agree(element(host, "activation_derivative", dtype, y, CODES[name]), derivative(y) * np.ones_like(y), dtype)


@DTYPES
def test_softplus_and_sigmoid_stay_relatively_right_far_below_zero(dtype, host):
    a = np.linspace(-80, -1, 100).astype(dtype).astype(float)
    # The reference's log(1 + e) has lost these digits; mathematics has not.
    np.testing.assert_allclose(element(host, "softplus", dtype, a), np.log1p(np.exp(a)), rtol=4 * np.finfo(dtype).eps)
    rounding = 4 * np.finfo(dtype).eps * np.abs(a)
    assert np.all(np.abs(element(host, "sigmoid", dtype, a) / (1 / (1 + np.exp(-a))) - 1) < rounding)
    assert element(host, "sigmoid", dtype, [-800.0, 800.0]).tolist() == [0, 1]
    y = np.exp(a).astype(dtype).astype(float)
    derivative = element(host, "activation_derivative", dtype, y, CODES["softplus"])
    np.testing.assert_allclose(derivative, -np.expm1(-y), rtol=4 * np.finfo(dtype).eps)


@DTYPES
def test_the_sampler_s_sigma_is_not_the_variance(dtype, host):
    logvar = grid(dtype, largest=20)
    expected = reference.reparameterize_forward(np.zeros((1, 1)), logvar[:, None], np.ones((1, 1)))[:, 0]
    agree(element(host, "standard_deviation", dtype, logvar), expected, dtype)


@DTYPES
def test_kl_terms_and_gradients_far_from_the_prior_and_next_to_it(dtype, host):
    near = np.concatenate([sign * 10.0 ** np.arange(-12, 0) for sign in (-1, 1)])
    logvar = np.append(grid(dtype, largest=20), near).astype(dtype).astype(float)
    mu = np.append(grid(dtype, largest=20)[::-1], near[::-1]).astype(dtype).astype(float)
    expected = reference.gaussian_kl_forward(mu[:, None], logvar[:, None])
    rounding = 4 * np.finfo(dtype).eps * np.maximum(np.abs(logvar), mu * mu)  # of what is subtracted
    agree(element(host, "kl_term", dtype, mu, logvar), expected, dtype, rounding)
    _, dlogvar = reference.gaussian_kl_backward(np.ones(len(mu)), mu[:, None], logvar[:, None])
    agree(element(host, "kl_dlogvar", dtype, logvar), dlogvar[:, 0], dtype, rounding=0)


@DTYPES
def test_bernoulli_terms_and_gradients(dtype, host):
    logits, x = (array.ravel() for array in np.meshgrid(grid(dtype), [0.0, 0.25, 0.5, 1.0]))
    nll, dlogits = reference.bernoulli_nll(logits[:, None], x[:, None], np.ones(len(x)))
    agree(element(host, "bernoulli_term", dtype, logits, x), nll, dtype)
    agree(element(host, "bernoulli_dlogit", dtype, logits, x), dlogits[:, 0], dtype)


@DTYPES
@pytest.mark.parametrize("logvar", [-6.0, -1.0, 0.0, 0.75, 5.0])
def test_gaussian_terms_and_gradients(logvar, dtype, host):
    x = grid(dtype, largest=20)
    mean, each = x[::-1].copy(), np.ones((len(x), 1))
    nll, dmean, _ = reference.gaussian_nll(mean[:, None], np.array([logvar]), x[:, None], each[:, 0])
    agree(element(host, "gaussian_term", dtype, mean, x, logvar), nll, dtype)
    agree(element(host, "gaussian_dmean", dtype, mean, x, logvar), dmean[:, 0], dtype)
    # One logvar for each dimension, and one example, so that nothing is summed.
    _, _, dlogvar = reference.gaussian_nll(mean[None], np.full(len(x), logvar), x[None], np.ones(1))
    agree(element(host, "gaussian_dlogvar", dtype, mean, x, logvar), dlogvar, dtype)


@DTYPES
@pytest.mark.parametrize("width", [1, 2, 7])
def test_log_softmax(width, dtype, host):
    values = grid(dtype)
    logits = np.ascontiguousarray(values[: len(values) // width * width].reshape(-1, width).astype(dtype))
    out = np.empty_like(logits)
    getattr(host, f"log_softmax_{REAL[dtype]}")(len(logits), width, *pointers(logits, out))
    agree(out, reference.log_softmax(logits.astype(float)), dtype)


# ---------------------------------------------------------------------------------------------------------
# Optimizers


def compare_updates(update, host_update, dtype, n_states, steps=(1, 2, 3)):
    """The same steps by the reference and by the library, from the same parameters, gradients and states."""
    rng = np.random.default_rng(0)
    ours = [rng.normal(0, 1, 50).astype(dtype), *np.zeros((n_states, 50), dtype)]
    theirs = [array.copy() for array in ours]
    for t in steps:
        g = (rng.normal(0, 1, 50) * 10.0 ** rng.integers(-6, 3, 50)).astype(dtype)
        g[0] = 0
        update(theirs[0], g, *theirs[1:], t)
        host_update(t, pointers(ours[0], g, *ours[1:]))
        for got, expected in zip(ours, theirs, strict=True):
            agree(got, expected, dtype)


def doubles(*values):
    return [ctypes.c_double(value) for value in values]


@DTYPES
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd(momentum, dtype, host):
    def ours(t, arrays):
        getattr(host, f"sgd_{REAL[dtype]}")(50, *arrays, *doubles(0.1, momentum))

    def theirs(w, g, u, t):
        reference.sgd_update(w, g, u, learning_rate=0.1, momentum=momentum)

    compare_updates(theirs, ours, dtype, 1)


@DTYPES
def test_adagrad(dtype, host):
    def ours(t, arrays):
        getattr(host, f"adagrad_{REAL[dtype]}")(50, *arrays, *doubles(0.01, 1e-10))

    def theirs(w, g, s, t):
        reference.adagrad_update(w, g, s, learning_rate=0.01, epsilon=1e-10)

    compare_updates(theirs, ours, dtype, 1)


@DTYPES
@pytest.mark.parametrize("epsilon", [1e-8, 0.1])
def test_adam(epsilon, dtype, host):
    def ours(t, arrays):
        getattr(host, f"adam_{REAL[dtype]}")(50, *arrays, t, *doubles(1e-3, 0.9, 0.999, epsilon))

    def theirs(w, g, m, v, t):
        reference.adam_update(w, g, m, v, t, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=epsilon)

    compare_updates(theirs, ours, dtype, 2, steps=(1, 2, 3, 1000))


@pytest.mark.parametrize("t", [1, 2, 3, 10, 999, 4690, 100_000, 2**32 - 1])
def test_the_size_of_adam_s_step(t, host):
    out = np.empty(2)
    host.adam_step(ctypes.c_uint(t), *doubles(1e-3, 0.9, 0.999, 1e-8), *pointers(out))
    root = (1 - 0.999**t) ** 0.5
    np.testing.assert_allclose(out, [1e-3 * root / (1 - 0.9**t), root * 1e-8], rtol=1e-12)


@DTYPES
def test_the_penalty_s_gradient(dtype, host):
    w = np.append(grid(dtype), np.nan)
    dw = np.zeros_like(w)
    reference.add_penalty(w, dw, l1=0.25, l2=0.5)
    agree(element(host, "penalty", dtype, w, 0.25, 0.5), dw, dtype)


# ---------------------------------------------------------------------------------------------------------
# Noise


def draw(host, counters, seeds):
    """Words, uniforms and normals, (n, 4) each, of n counters and seeds."""
    counters, seeds = np.array(counters, np.uint32), np.array(seeds, np.uint64)
    words, (uniforms, normals) = np.empty((len(seeds), 4), np.uint32), np.empty((2, len(seeds), 4))
    host.noise(len(seeds), *pointers(counters, seeds, words, uniforms, normals))
    return words, uniforms, normals


def test_philox_gives_the_known_answers_of_random123(host):
    ones = 2**32 - 1
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    words, _, _ = draw(host, [(0, 0, 0, 0), (ones, ones, ones, ones), pi], [0, 2**64 - 1, 0x299F31D0_A4093822])
    assert words.tolist() == [
        [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
        [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ]


@pytest.mark.parametrize("seed", [0, 7, 2**32, 2**64 - 1])
def test_words_uniforms_and_normals_are_those_of_numpy(seed, host):
    counters = np.random.default_rng(0).integers(0, 2**32, (1000, 4))
    words, uniforms, normals = draw(host, counters, [seed] * len(counters))
    expected = philox.philox4x32(tuple(counters.T), seed)
    np.testing.assert_array_equal(words, expected)
    np.testing.assert_array_equal(uniforms, philox.to_unit_interval(expected))
    np.testing.assert_allclose(normals, philox.box_muller(philox.to_unit_interval(expected)), rtol=0, atol=1e-12)
