"""Sparse matrices as compiled libraries read them: the older class, single precision, short indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse


def compiled(matrix: Any) -> sparse.csr_matrix:
    """The matrix (n_rows, n_columns) by rows, with float32 values and int32 indices."""
    made = sparse.csr_matrix(matrix, dtype=np.float32)
    made.indices, made.indptr = made.indices.astype(np.int32), made.indptr.astype(np.int32)
    return made
