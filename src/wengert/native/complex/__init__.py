"""Complex numbers as pairs of real nodes, so that loops compute them like any others.

`split` rewrites a graph before it is cut into kernels: each complex node becomes a node
for its real and one for its imaginary part, by the formula of its op. Complex buffers
remain where others see them (arguments, results, BLAS and LAPACK, routines): they are
read part by part (`real`, `imag`), and written by one node (`pair`).

Files, in the order of use: numbers (what formulas are written in) · functions (exp,
log, sqrt …) · powers · elementwise (a rule per op) · arrays (layouts, folds, products,
routines) · split.
"""
