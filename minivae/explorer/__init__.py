"""A trained model in one HTML page: content.py says what the page knows of a run, page.py writes it."""
