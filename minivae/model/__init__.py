"""What a VAE is: arrays in, arrays out. Nothing here knows of epochs, of files but its own, or of a screen.

Begin with network.py, the chain forwards and backwards; vae.py is what a user holds.
"""
