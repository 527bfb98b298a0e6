"""Trainers: from a program of equations to a schedule of loops and products, and to the text of a module."""
