"""``minivae bench`` where a GPU takes part, by the stand-in for CuPy and by processes that are not there."""

from types import SimpleNamespace

import numpy as np
import pytest

from minivae.backend import from_module
from minivae.benchmark.verify import ODD, verify
from minivae.kernels import reference

# ---------------------------------------------------------------------------------------------------------
# TF32


def ten_bits(array):
    """As TF32 has its factors: 10 bits behind the leading one; float64 stays."""
    if array.dtype != np.float32:
        return array
    return ((array.view(np.uint32) + np.uint32(1 << 12)) & np.uint32(0xFFFFE000)).view(np.float32)


def coarse_forward(x, W, b, activation="identity", *, out=None):
    return reference.linear_forward(ten_bits(x), ten_bits(W), b, activation, out=out)


def coarse_backward(da, x, W, **options):
    return reference.linear_backward(ten_bits(da), ten_bits(x), ten_bits(W), **options)


def backend(graph, **functions):
    products = {"linear_forward": coarse_forward, "linear_backward": coarse_backward}
    return from_module(SimpleNamespace(graph=graph, **{**products, **functions}), "cupy")


def test_products_on_a_gpu_may_be_coarse_where_tf32_was_asked_for(monkeypatch):
    on_gpu, on_cpu = backend(object()), backend(None)
    assert verify(on_gpu, ODD).startswith("linear_forward")
    monkeypatch.setenv("MINIVAE_TF32", "1")
    assert verify(on_gpu, ODD) is None
    assert verify(on_cpu, ODD).startswith("linear_forward")


def in_float32_too_large(function, factor):
    """The reference's, but for a factor on what it fills if that is float32."""

    def wrong(first, *others, out=None):
        out = getattr(reference, function)(first, *others, out=out)
        out *= np.float32(factor) if out.dtype == np.float32 else 1
        return out

    return wrong


@pytest.mark.parametrize(("function", "factor"), [("linear_forward", 1.01), ("activation_backward", 1.001)])
def test_a_wrong_kernel_is_still_caught_with_tf32(function, factor, monkeypatch):
    monkeypatch.setenv("MINIVAE_TF32", "1")
    mismatch = verify(backend(object(), **{function: in_float32_too_large(function, factor)}), ODD)
    assert mismatch.startswith(function)
    assert "float32" in mismatch
