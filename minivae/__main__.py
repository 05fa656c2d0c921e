"""``python -m minivae``."""

from minivae.cli import script

if __name__ == "__main__":
    script()
