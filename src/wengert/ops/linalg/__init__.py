"""Linear algebra: decompositions, solves and norms, batched over leading axes.

Matrices are the last two axes. An op that reads one triangle only (cholesky, eigh) has
the derivative of just that: the gradient has zeros in the other triangle, and twice
the symmetric gradient's value beside the diagonal. (G + Gᴴ)/2 is the symmetric one.
"""

from wengert.ops.linalg.cholesky import CHOLESKY
from wengert.ops.linalg.det import ADJUGATE, DET, SLOGDET
from wengert.ops.linalg.eig import EIG
from wengert.ops.linalg.eigh import EIGH
from wengert.ops.linalg.lstsq import LSTSQ, PINV
from wengert.ops.linalg.norm import VECTOR_NORM
from wengert.ops.linalg.qr import QR
from wengert.ops.linalg.solve import INV, SOLVE
from wengert.ops.linalg.svd import SVD
from wengert.ops.linalg.triangular import SOLVE_TRIANGULAR, solve_triangular

__all__ = [
    "ADJUGATE", "CHOLESKY", "DET", "EIG", "EIGH", "INV", "LSTSQ", "PINV", "QR",
    "SLOGDET", "SOLVE", "SOLVE_TRIANGULAR", "SVD", "VECTOR_NORM", "solve_triangular",
]  # fmt: skip
