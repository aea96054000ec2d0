"""Runs a command in the tree of an image, with nothing else of the machine in sight."""
