"""Two networks, one game: generative adversarial networks from the layers, optimizers and streams of the VAE."""
