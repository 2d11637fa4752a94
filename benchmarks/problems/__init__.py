"""The problems of `benchmarks/native.py`, each as ordinary code of each library."""
