"""What the numbers of a run mean, and what holds its model back."""
