"""`verify`: whether a file is an image of ours, whole, and what its plan says."""
