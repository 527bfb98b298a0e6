"""Pictures as data, and their two drawings: TikZ and SVG."""
