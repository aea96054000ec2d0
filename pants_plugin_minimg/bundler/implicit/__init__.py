"""What DT_NEEDED does not tell: libraries, modules and data that are looked for at run time."""
