"""The sections of the notes: each takes a lecture and gives blocks of text, formulas and pictures."""
