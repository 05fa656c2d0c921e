"""What a process knows of itself: the processor, its libraries, and how many threads each of them has."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from minivae import backend
from minivae.system import machine

LIBRARIES = ("numpy", "scipy", "numba", "cupy", "torch", "jax", "jaxlib")
PREFIXES = ("OPENBLAS_", "OMP_", "GOMP_", "KMP_", "MKL_", "BLIS_", "VECLIB_", "NUMBA_", "XLA_", "JAX_", "TORCH")
WIDTHS = {  # flag of /proc/cpuinfo, or of NumPy where there is no such file -> what it means
    "avx512f": "AVX-512 (512 bits)",
    "x86_v4": "AVX-512 (512 bits)",
    "avx2": "AVX2 (256 bits)",
    "x86_v3": "AVX2 (256 bits)",
    "sve": "SVE",
    "asimd": "NEON (128 bits)",
    "sse2": "SSE2 (128 bits)",
    "x86_v2": "SSE2 (128 bits)",
}


def facts() -> dict[str, Any]:
    """Processor, cores and vector width, the libraries that are loaded, their threads, settings in the environment."""
    return {
        "processor": machine.processor(),
        "cores": machine.available_cores(),
        "vector width": vector_width(),
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "versions": {name: sys.modules[name].__version__ for name in LIBRARIES if name in sys.modules},
        "threads": threads(),
        "settings": settings(),
    }


def settings() -> dict[str, str]:
    """What the environment says about threads and kernels."""
    found = {name: value for name, value in sorted(os.environ.items()) if name.startswith(PREFIXES)}
    found.pop("KMP_DUPLICATE_LIB_OK", None)  # not the user's: threadpoolctl sets it
    return found


def vector_width() -> str:
    """The widest vector registers that the processor has."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = {flag for line in file if line.lower().startswith(("flags", "features")) for flag in line.split()}
    except OSError:
        flags = flags_of_numpy()
    return next((width for flag, width in WIDTHS.items() if flag in flags), "unknown")


def flags_of_numpy() -> set[str]:
    """The instruction sets that NumPy has found."""
    import numpy

    config: Any = numpy.show_config(mode="dicts")
    simd = config["SIMD Extensions"]
    return {flag.lower() for kind in ("baseline", "found") for flag in simd.get(kind, ())}


def threads() -> list[str]:
    """Each library with threads of its own that can be asked: which it is, its kernels, how many threads."""
    from threadpoolctl import threadpool_info

    lines = []
    for library in threadpool_info():
        kernels = f", {library['architecture']} kernels" if "architecture" in library else ""
        version = f" {library['version']}" if library.get("version") else ""
        lines.append(
            f"{library['prefix']}: {library['internal_api']}{version}{kernels}, {library['num_threads']} threads"
        )
    if "numba" in sys.modules:
        lines.append(f"numba: {backend.threads()['numba']}")
    if "torch" in sys.modules:
        lines.append(f"torch: {sys.modules['torch'].get_num_threads()} threads")
    return lines


def peak_memory() -> float | None:
    """The most memory (resident set) that this process has had, in MB; None where the system does not tell."""
    try:
        # Not getrusage: what it reports is never less than what the parent had when it started this process.
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
