"""How a model's parameters change: loop.py is :func:`minivae.fit`, step.py one update, recipe.py the settings."""

from minivae.training.loop import columns, fit
from minivae.training.recipe import Recipe
from minivae.training.step import minibatches, training_step

__all__ = ["Recipe", "columns", "fit", "minibatches", "training_step"]
