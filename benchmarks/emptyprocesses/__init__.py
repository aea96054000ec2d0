"""A backend of Pants for the scale benchmark: what as many processes cost that do nothing."""
