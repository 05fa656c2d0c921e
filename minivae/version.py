"""The version, here alone: pyproject.toml reads it, and whoever writes it into a file."""

__version__ = "0.1.0"
