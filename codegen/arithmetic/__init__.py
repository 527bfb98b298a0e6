"""Safe arithmetic: rewriting rules on the program of equations, each with a name."""
