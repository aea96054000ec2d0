"""The report of an image as a page: one file, no script, nothing fetched."""
