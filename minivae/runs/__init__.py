"""One training on disk: planned once, kept, gone on with, opened again. No NumPy here: `--help` reads settings.py."""
