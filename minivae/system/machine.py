"""Facts about this machine and its libraries, for ``minivae info``, bug reports and benchmarks."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minivae.version import __version__

PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "matplotlib", "safetensors", "threadpoolctl"),
    *("numba", "cupy-cuda12x", "cupy-cuda13x"),
)
SETTINGS = (
    *("MINIVAE_BACKEND", "MINIVAE_DATA", "MINIVAE_MINE", "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS"),
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"),
    *("NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "NUMBA_CACHE_DIR"),
)


def facts() -> dict[str, Any]:
    """Versions, processor, BLAS and its threads, the state of each backend, environment variables."""
    from minivae import backend

    return {
        "minivae": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": available_cores(),
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
        "blas": blas(),
        "backends": backend.states(),
        "threads": backend.threads(),
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
    }


def what_changes_results(backend: str) -> dict[str, str]:
    """What the last digits of a training depend on beside its settings; a resumed run compares it."""
    import numpy

    from minivae.backend import states, threads

    names = {
        "minivae": __version__,
        "numpy": numpy.__version__,
        "processor": processor(),
        "BLAS": "; ".join(text for name, text in blas().items() if "numpy" in name) or "; ".join(blas().values()),
    }
    if backend == "numba":
        names |= {"numba": str(installed("numba")), "threads": threads()["numba"]}
    elif backend == "mine":
        names["answers"] = states()["mine"]
    return names


def installed(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def available_cores() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor() or "unknown"


def blas() -> dict[str, str]:
    """The BLAS libraries that NumPy and SciPy have loaded, with their core type and threads."""
    import numpy  # noqa: F401 - loads its BLAS
    from threadpoolctl import threadpool_info

    def name(library: dict[str, Any]) -> str:
        return f"{Path(library['filepath']).parent.name}/{library['prefix']}"

    return {
        name(library): f"{library['internal_api']} {library['version']}, "
        f"{library.get('architecture', 'unknown')} kernels, {library['num_threads']} threads"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }
