"""Arrays -> figures. figures.py draws curves, images and tables; latent.py the latent space."""

from minivae.plotting.figures import *  # noqa: F403
