"""The formats in which notes are handed out."""
