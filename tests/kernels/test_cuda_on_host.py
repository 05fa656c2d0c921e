"""The stand-in for CuPy and a GPU, with kernels of a few lines: that it computes, and finds what it shall find."""

import ctypes
import gc

import numpy as np
import pytest
from cuda_on_host import build, device
from cuda_on_host import cupy_on_host as cupy
from cuda_on_host.cublas import NOT_INITIALISED, SUCCESS, Cublas
from cuda_on_host.device import CUDARuntimeError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not())),
]
THREADS = 128

SOURCE = r"""
extern "C" __global__ void add_up(int n, const REAL* __restrict__ x, REAL* out) {
    __shared__ double partial[128];
    double sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
    partial[threadIdx.x] = sum;
    for (int half = 64; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    }
    if (threadIdx.x == 0) out[blockIdx.x] = REAL(partial[0]);
}
extern "C" __global__ void shift(int n, REAL* x, double by, const double* by_at) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] += REAL(by_at ? *by_at : by);
}
extern "C" __global__ void mirror_without_a_barrier(REAL* x) {
    __shared__ REAL shared[128];
    shared[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = shared[127 - threadIdx.x];
}
extern "C" __global__ void mirror(REAL* x) {
    __shared__ REAL shared[128];
    shared[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = shared[127 - threadIdx.x];
}
extern "C" __global__ void only_some_wait(int waiting) {
    int i = int(threadIdx.x);
    if (i < waiting || (waiting < 0 && i >= -waiting)) __syncthreads();
}
extern "C" __global__ void wait_here_and_there() {
    if (threadIdx.x < 64)
        __syncthreads();
    else
        __syncthreads();
}
extern "C" __global__ void first_block_leaves_a_number(double* out) {
    __shared__ double left;
    if (threadIdx.x == 0) {
        out[blockIdx.x] = left;
        left = 1;
    }
}
extern "C" __global__ void two_blocks_one_place(REAL* out) { out[0] = REAL(blockIdx.x); }
extern "C" __global__ void __launch_bounds__(128) types(unsigned a, unsigned long long b, float c,
                                                        const int* d, long long e) {}
"""


@pytest.fixture(autouse=True)
def nothing_is_left_over():
    yield
    for stream in device.Stream.all.values():
        stream.queue, stream.recording = [], None


def kernel(name, real="double", source=SOURCE):
    return cupy.RawModule(code=source, options=(f"-DREAL={real}", "--std=c++17")).get_function(name)


def launch(name, *arguments, blocks=1, threads=THREADS, real="double"):
    kernel(name, real)((blocks,), (threads,), arguments)


def run(*arguments, **options):
    launch(*arguments, **options)
    device.synchronize()


def capture(launches, stream=None):
    """The graph of what is sent to a stream, with memory of its own; that memory, too."""
    stream, pool = stream or cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
    with stream, cupy.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        try:
            launches()
        finally:
            graph = stream.end_capture()
    return graph, pool


# ---------------------------------------------------------------------------------------------------------
# Kernels


@pytest.mark.parametrize("real", ["float", "double"])
def test_a_block_adds_up_through_shared_memory(real):
    x = np.random.default_rng(0).standard_normal(1000).astype("float32" if real == "float" else "float64")
    out = cupy.empty(3, x.dtype)
    run("add_up", np.int32(1000), cupy.asarray(x), out, blocks=3, real=real)
    np.testing.assert_allclose(out.get(), x.astype(float).sum(), rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 128, 1024])
def test_a_grid_covers_more_than_a_block(threads):
    x = cupy.zeros(2500, "float64")
    run("shift", np.int32(2500), x, np.float64(2), np.uint64(0), blocks=-(-2500 // threads), threads=threads)
    np.testing.assert_array_equal(x.get(), 2)


@pytest.mark.parametrize("waiting", [1, 127, -1, -127])
def test_a_barrier_that_some_threads_never_reach_is_an_error(waiting):
    with pytest.raises(CUDARuntimeError, match=r"__syncthreads\(\) of line 30"):
        run("only_some_wait", np.int32(waiting))
    x = cupy.asarray(np.arange(128.0))
    run("mirror", x)  # and the next launch is fine
    np.testing.assert_array_equal(x.get(), np.arange(128.0)[::-1])


@pytest.mark.parametrize("waiting", [0, 128])
def test_a_barrier_for_all_or_none_is_none(waiting):
    run("only_some_wait", np.int32(waiting))


def test_waiting_at_different_barriers_is_an_error():
    with pytest.raises(CUDARuntimeError, match="different __syncthreads"):
        run("wait_here_and_there")


def test_a_race_within_a_block_is_an_error():
    with pytest.raises(CUDARuntimeError, match="mirror_without_a_barrier has a race"):
        run("mirror_without_a_barrier", cupy.asarray(np.arange(128.0)))


def test_a_race_between_blocks_is_an_error():
    with pytest.raises(CUDARuntimeError, match="two_blocks_one_place has a race"):
        run("two_blocks_one_place", cupy.zeros(1, "float64"), blocks=2)


def test_shared_memory_comes_with_nothing_in_it():
    out = cupy.zeros(2, "float64")
    run("first_block_leaves_a_number", out, blocks=2)
    assert np.all(np.isnan(out.get()))


@pytest.mark.parametrize(("n", "length"), [(11, 10), (10 + 512, 10)])
def test_a_write_beyond_an_array_hits_its_guard_zone(n, length):
    with pytest.raises(CUDARuntimeError, match="shift wrote outside"):
        run("shift", np.int32(n), cupy.zeros(length, "float64"), np.float64(1), np.uint64(0), blocks=5)


def test_a_write_beside_a_view_is_found_within_the_larger_array():
    with pytest.raises(CUDARuntimeError, match="shift wrote outside"):
        run("shift", np.int32(6), cupy.zeros(10, "float64")[:5], np.float64(1), np.uint64(0))
    with pytest.raises(CUDARuntimeError, match="shift wrote outside"):  # a column, taken for neighbours
        run("shift", np.int32(5), cupy.zeros((5, 5), "float64")[:, 1], np.float64(1), np.uint64(0))


@pytest.mark.parametrize("wrong", [10, 10.0, None, np.int64(10), np.uint32(10), np.float32(10)])
def test_an_argument_of_another_type_is_an_error(wrong):
    with pytest.raises(TypeError, match="argument 1 of shift is 'i4'"):
        launch("shift", wrong, cupy.zeros(10, "float64"), np.float64(1), np.uint64(0))


def test_an_array_of_another_type_is_an_error():
    x = np.zeros(10)
    for wrong in (cupy.zeros(10, "float32"), x, None, 0, np.uint64(7), np.int64(0)):
        with pytest.raises(TypeError, match=r"argument 2 of shift is '\*f8'"):
            launch("shift", np.int32(10), wrong, np.float64(1), np.uint64(0))


def test_the_number_of_arguments_the_grid_and_the_name_are_checked():
    with pytest.raises(TypeError, match="takes 4 arguments, got 1"):
        launch("shift", np.int32(1))
    for size in ({"blocks": 0}, {"threads": 0}, {"threads": 1025}):
        with pytest.raises(CUDARuntimeError, match="InvalidConfiguration"):
            launch("mirror", cupy.zeros(128, "float64"), **size)
    with pytest.raises(CUDARuntimeError, match="no kernel 'shuffle'"):
        kernel("shuffle")


def test_parameters_are_described():
    library = build.library(SOURCE, ("-DREAL=float",))
    assert build.parameters(library, "types") == ["u4", "u8", "f4", "*const i4", "i8"]
    assert build.parameters(library, "shift") == ["i4", "*f4", "f8", "*const f8"]


def test_a_source_that_does_not_compile_shows_the_line():
    with pytest.raises(RuntimeError, match=r"kernel\.cu:2"):
        kernel("broken", source='extern "C" __global__ void broken() {\n    no such words }')


# ---------------------------------------------------------------------------------------------------------
# Streams and graphs


def test_a_stream_runs_when_somebody_waits_for_it():
    x, stream = cupy.zeros(3, "float64"), cupy.cuda.Stream(non_blocking=True)
    device.synchronize()
    with stream:
        x += 1
    np.testing.assert_array_equal(x.get(), 0)  # this waits for the default stream only
    stream.synchronize()
    np.testing.assert_array_equal(x.get(), 1)


def test_capture_executes_nothing_and_replay_does():
    x = cupy.zeros(10, "float64")

    def launches():
        launch("shift", np.int32(10), x, np.float64(1), np.uint64(0))
        y = x * 2
        x[...] = y - 7 * (y > 3)

    graph, _pool = capture(launches)
    device.synchronize()
    np.testing.assert_array_equal(x.get(), 0)
    for expected in (2, -1, 0):
        graph.launch()
        np.testing.assert_array_equal(x.get(), expected)


def test_a_scalar_is_baked_in_and_device_memory_is_read_afresh():
    x, y, by = cupy.zeros(4, "float64"), cupy.zeros(4, "float64"), cupy.zeros(1, "float64")
    amount = 1.0

    def launches():
        launch("shift", np.int32(4), x, np.float64(amount), np.uint64(0))
        launch("shift", np.int32(4), y, np.float64(amount), by)

    graph, _pool = capture(launches)
    amount = 5.0
    for value in (10, 100):
        by[...] = value
        graph.launch()
    np.testing.assert_array_equal(x.get(), 2)
    np.testing.assert_array_equal(y.get(), 110)


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda x: x.get(),
        lambda x: x.set(np.zeros(4)),
        lambda x: x[0].item(),
        lambda x: float(x[0]),
        lambda x: bool(x[0] > 0),
        lambda x: cupy.asnumpy(x),
        lambda x: cupy.asarray(np.zeros(4)),
        lambda x: x @ x,
        lambda x: x.__setitem__(x > 0, 1.0),
        lambda x: cupy.cuda.get_current_stream().synchronize(),
        lambda x: cupy.cuda.Device().synchronize(),
        lambda x: cupy.cuda.get_current_stream().begin_capture(),
    ],
)
def test_what_capture_forbids_is_an_error(forbidden):
    x = cupy.zeros(4, "float64")
    with pytest.raises(CUDARuntimeError, match="StreamCaptureUnsupported"):
        capture(lambda: forbidden(x))


def test_memory_of_the_shared_pool_in_a_graph_is_an_error():
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        cupy.zeros(4, "float64")
        with pytest.raises(CUDARuntimeError, match="shared pool"):
            stream.end_capture()


def test_a_graph_that_uses_freed_memory_is_an_error():
    x, kept = cupy.zeros(4, "float64"), cupy.zeros(4, "float64")
    graph, pool = capture(lambda x=x: (kept.fill(1), x.fill(1), (x + kept).fill(1)))
    graph.launch()
    device.synchronize()
    del x
    gc.collect()
    with pytest.raises(CUDARuntimeError, match="memory that was freed"):
        graph.launch()
    graph, pool = capture(lambda: (kept + kept).fill(1))
    graph.launch()
    pool.free_all_blocks()
    with pytest.raises(CUDARuntimeError, match="memory that was freed"):
        graph.launch()


def test_the_default_stream_cannot_be_captured():
    with pytest.raises(CUDARuntimeError, match="default stream"):
        cupy.cuda.get_current_stream().begin_capture()


# ---------------------------------------------------------------------------------------------------------
# Arrays


def test_arithmetic_is_numpys():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 4)).astype("float32")
    x, y = cupy.asarray(a), cupy.asarray(b)
    for of in (
        lambda a, b: a + 2 * b - 1,
        lambda a, b: (1 - a) / b,
        lambda a, b: np.abs(a) >= b,
        lambda a, b: a[1:, ::2] * b[0, 1],
        lambda a, b: -a.mean(axis=0, dtype="float64"),
        lambda a, b: np.min(a),
        lambda a, b: a.sum() + b.max(),
        lambda a, b: a.T.reshape(2, 6),
        lambda a, b: a.astype("float64").ravel(),
        lambda a, b: np.float64(2) * a,
        lambda a, b: a.argmin(),
        lambda a, b: a @ b.T,
    ):
        got, expected = of(x, y).get(), of(a, b)
        assert got.dtype == expected.dtype
        assert got.shape == np.shape(expected)
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    x += y
    x[:, 1] = 7
    a += b
    a[:, 1] = 7
    np.testing.assert_array_equal(x.get(), a)


def test_numpy_arrays_do_not_mix_in():
    x, a = cupy.zeros(3, "float64"), np.zeros(3)
    for mixed in (
        lambda: x + a,
        lambda: a + x,
        lambda: np.asarray(x),
        lambda: x * [1, 2, 3],
        lambda: np.add(a, a, out=x),
    ):
        with pytest.raises(TypeError):
            mixed()
    with pytest.raises(ValueError, match="non-scalar"):
        x[...] = a
    with pytest.raises(TypeError):
        a += x


def test_an_element_is_a_view():
    x = cupy.zeros(3, "float64")
    element = x[1]
    x[1] = 5
    assert element.shape == ()
    assert float(element) == 5


def test_new_memory_holds_no_number():
    assert np.all(np.isnan(cupy.empty((2, 3), "float32").get()))
    assert not cupy.zeros((2, 3), "float32").get().any()


# ---------------------------------------------------------------------------------------------------------
# cuBLAS


class Blas:
    """A handle on a stream."""

    def __init__(self, stream):
        self.library, self.handle = Cublas(), ctypes.c_void_p()
        assert self.library.cublasCreate_v2(ctypes.byref(self.handle)) == SUCCESS
        assert self.library.cublasSetStream_v2(self.handle, ctypes.c_void_p(stream.ptr)) == SUCCESS

    def set_workspace(self):
        self.workspace = cupy.empty(1024, np.uint8)
        self.library.cublasSetWorkspace_v2(self.handle, self.workspace.data.ptr, 1024)

    def gemm(self, transpose_a, transpose_b, m, n, k, a, lda, b, ldb, c, ldc, alpha=1.0, beta=0.0):
        number, name = (ctypes.c_double, "D") if c.dtype == np.float64 else (ctypes.c_float, "S")
        pointers = [ctypes.c_void_p(array.data.ptr) for array in (a, b, c)]
        return getattr(self.library, f"cublas{name}gemm_v2")(
            *(self.handle, transpose_a, transpose_b, m, n, k, ctypes.byref(number(alpha)), pointers[0], lda),
            *(pointers[1], ldb, ctypes.byref(number(beta)), pointers[2], ldc),
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transpose_a", [0, 1])
@pytest.mark.parametrize("transpose_b", [0, 1])
def test_gemm_counts_by_columns(dtype, transpose_a, transpose_b):
    rng, (m, n, k) = np.random.default_rng(0), (2, 3, 4)
    a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n), (m, n)))
    # Column-major with leading dimensions larger than needed: the transposes, as rows of wider matrices.
    device_arrays, leading = [], []
    for matrix in (a.T if transpose_a else a, b.T if transpose_b else b, c):
        wide = np.full((matrix.shape[1], matrix.shape[0] + 2), np.nan, dtype)
        wide[:, : matrix.shape[0]] = matrix.T
        device_arrays.append(cupy.asarray(wide))
        leading.append(matrix.shape[0] + 2)
    blas = Blas(cupy.cuda.get_current_stream())
    arguments = [item for pair in zip(device_arrays, leading, strict=True) for item in pair]
    assert blas.gemm(transpose_a, transpose_b, m, n, k, *arguments, alpha=2.0, beta=0.5) == SUCCESS
    np.testing.assert_allclose(device_arrays[2].get()[:, :m].T, 2 * (a @ b) + c / 2, rtol=1e-5)
    assert np.all(np.isnan(device_arrays[2].get()[:, m:]))


def test_gemm_refuses_what_does_not_fit():
    x, blas = cupy.zeros((3, 3), "float64"), Blas(cupy.cuda.get_current_stream())
    assert blas.gemm(0, 0, 3, 3, 3, x, 2, x, 3, cupy.zeros((3, 3), "float64"), 3) != SUCCESS
    with pytest.raises(CUDARuntimeError, match="not allocated"):
        blas.gemm(0, 0, 3, 3, 4, x, 3, x, 4, cupy.zeros((3, 3), "float64"), 3)


def test_gemm_is_captured_only_with_its_own_stream_and_workspace():
    x, y, stream = cupy.asarray(np.eye(2)), cupy.zeros((2, 2), "float64"), cupy.cuda.Stream(non_blocking=True)
    elsewhere, blas = Blas(cupy.cuda.get_current_stream()), Blas(stream)
    states = []

    def product(with_blas):
        states.append(with_blas.gemm(0, 0, 2, 2, 2, x, 2, x, 2, y, 2))

    capture(lambda: (product(elsewhere), product(blas)), stream)
    blas.set_workspace()
    graph, _pool = capture(lambda: product(blas), stream)
    assert states == [NOT_INITIALISED, NOT_INITIALISED, SUCCESS]
    assert not y.get().any()
    graph.launch()
    np.testing.assert_array_equal(y.get(), np.eye(2))
