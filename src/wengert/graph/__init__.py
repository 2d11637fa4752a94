"""The graph: a Wengert list as a value that is printed, checked and evaluated."""
