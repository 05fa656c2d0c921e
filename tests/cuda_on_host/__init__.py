"""The CUDA backend without a GPU: see cupy_on_host.py."""
