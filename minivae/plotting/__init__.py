"""Figures from arrays: curves, images and tables in figures.py, the latent space in latent.py."""

from minivae.plotting.figures import *  # noqa: F403
