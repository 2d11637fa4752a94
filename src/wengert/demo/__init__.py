"""`wengert demo`: the lecture's example by hand, then a classifier on real data.

`lecture` shows both passes over the graph of a small formula, step by step; `digits`
trains on scikit-learn's handwritten digits. Both use the library as any user would.
"""
