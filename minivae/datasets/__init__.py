"""Names and files -> arrays. catalogue.py has the data sets by name, tables.py what a user's file may hold."""

from minivae.datasets.catalogue import (
    LOADERS,
    Dataset,
    load,
    load_digits,
    load_iris,
    load_mnist,
    load_npy,
    load_wine,
)

__all__ = ["LOADERS", "Dataset", "load", "load_digits", "load_iris", "load_mnist", "load_npy", "load_wine"]
