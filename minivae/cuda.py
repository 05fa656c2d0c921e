"""Is there an NVIDIA GPU? Asked of the driver itself, so that nothing large is imported to find out."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
SUCCESS, NO_DEVICE = 0, 100


def uses_tf32() -> bool:
    """True if ``MINIVAE_TF32=1`` asks for matrix products of float32 that keep 10 bits of their factors."""
    return os.environ.get("MINIVAE_TF32") == "1"


@cache
def why_no_gpu() -> str | None:
    """What is missing, with what to do; None if there is a GPU."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return "this machine has no NVIDIA driver; install one, or use numpy or numba"
    status, count = driver.cuInit(0), ctypes.c_int(0)
    if status == SUCCESS:
        status = driver.cuDeviceGetCount(ctypes.byref(count))
    if status == NO_DEVICE or (status == SUCCESS and count.value == 0):
        return "the NVIDIA driver finds no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or use numpy or numba"
    return None if status == SUCCESS else f"the NVIDIA driver does not start (error {status}); look at nvidia-smi"
