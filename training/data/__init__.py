"""Data sets to train on, one a file."""

from training.data.data_set import DataSet
from training.data.fashion_mnist import load_fashion_mnist

__all__ = ["DataSet", "load_fashion_mnist"]
