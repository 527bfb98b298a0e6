"""Formulas as a lecturer writes them: names, signs, brackets, matrices, and where a long line breaks."""
