"""Functions of functions: one operator per file, each with the same skeleton."""
