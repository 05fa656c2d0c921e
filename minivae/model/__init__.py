"""What a VAE is: network.py is the chain, forwards and backwards; vae.py is what a user holds."""
