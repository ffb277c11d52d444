# Measures of a dense block H [d, d] beside its Kronecker approximation K, with dense eigenvectors throughout.
"""
The weight is [G*m, n], d = G*m*n, vec row-major; K is block-diagonal over the G groups, its block g
E[M_g] (x) E[x_g x_g^T]. Eigenvalues descend algebraically. h_j: eigenvectors of H.

What an eigenvector (or a leading eigenspace) says is defined only where its eigenvalue is separated
from the neighbours by GAP times the largest; elsewhere the number is None.
"""

from dataclasses import dataclass

import numpy as np
from oracle_factors import Factors

GAP = 1e-6
TOP = 20
RANK_RATIOS = 10
CORRESPONDENCES = 5
SINGULAR_VALUES = 3

Maybe = float | None


@dataclass(frozen=True)
class Eigen:
    """Eigenvalues [d], descending, and eigenvectors [d, d], one a column."""

    values: np.ndarray
    vectors: np.ndarray

    def separated(self, k: int) -> bool:
        """Whether the space of the first k eigenvectors is defined."""
        if k in (0, len(self.values)):
            return True
        return bool(self.values[k - 1] - self.values[k] >= GAP * np.abs(self.values).max())

    def simple(self, index: int) -> bool:
        """Whether eigenvector `index` (from 0) is defined up to its sign."""
        return self.separated(index) and self.separated(index + 1)


def decompose(matrix: np.ndarray) -> Eigen:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return Eigen(values[::-1], vectors[:, ::-1])


def kronecker_block(factors: Factors) -> np.ndarray:
    """K [d, d]"""
    pairs = zip(factors.output.numpy(), factors.input.numpy())
    blocks = [np.kron(output, x) for output, x in pairs]
    size = len(blocks[0])
    whole = np.zeros((size * len(blocks), size * len(blocks)))
    for group, block in enumerate(blocks):
        whole[group * size : (group + 1) * size, group * size : (group + 1) * size] = block
    return whole


def kronecker_eigen(factors: Factors) -> Eigen:
    """Eigenpairs of K as products of those of its factors, each vector u (x) v in its group's rows."""
    groups, m, n = len(factors.output), factors.output.shape[-1], factors.input.shape[-1]
    values = np.zeros((groups, m * n))
    vectors = np.zeros((groups, m * n, groups, m * n))
    for group in range(groups):
        output = decompose(factors.output[group].numpy())
        x = decompose(factors.input[group].numpy())
        values[group] = np.kron(output.values, x.values)
        vectors[group, :, group] = np.kron(output.vectors, x.vectors)
    order = np.argsort(-values.ravel(), kind="stable")
    size = groups * m * n
    return Eigen(values.ravel()[order], vectors.reshape(size, size)[:, order])


def eigenspace_overlap(exact: Eigen, other: Eigen) -> list[Maybe]:
    """||U_k^T V_k||_F^2 / k for k = 1, 2, ..."""
    return [
        float(np.sum((exact.vectors[:, :k].T @ other.vectors[:, :k]) ** 2) / k)
        if exact.separated(k) and other.separated(k)
        else None
        for k in range(1, min(TOP, len(exact.values)) + 1)
    ]


def eigenvalue_ratio(exact: Eigen, other: Eigen) -> list[Maybe]:
    """Kronecker over exact; None where the exact eigenvalue is zero but for rounding."""
    floor = GAP * np.abs(exact.values).max()
    pairs = zip(exact.values[:TOP], other.values[:TOP])
    return [float(b / a) if abs(a) >= floor else None for a, b in pairs]


def singular_values(exact: Eigen, rows: int) -> list[list[float] | None]:
    """Of Mat(h_j) [G*m, n], the largest first; their squares sum to 1 over all of them."""
    return [
        np.linalg.svd(exact.vectors[:, j].reshape(rows, -1), compute_uv=False)[:SINGULAR_VALUES].tolist()
        if exact.simple(j)
        else None
        for j in range(min(RANK_RATIOS, len(exact.values)))
    ]


def correspondence(exact: Eigen, factors: Factors, side: str) -> list[list[list[Maybe]]]:
    """
    [groups][i][j]: ||Mat_g(h_j) v_i||^2 for `input`, ||Mat_g(h_j)^T u_i||^2 for `output`, Mat_g the
    rows of group g. A column j sums to 1 over all groups and all i.
    """
    groups, m, n = len(factors.output), factors.output.shape[-1], factors.input.shape[-1]
    columns = min(CORRESPONDENCES, len(exact.values))
    table = []
    for group in range(groups):
        own = decompose(getattr(factors, side)[group].numpy())
        rows = []
        for i in range(min(CORRESPONDENCES, len(own.values))):
            row: list[Maybe] = []
            for j in range(columns):
                matrix = exact.vectors[:, j].reshape(groups, m, n)[group]
                image = (matrix if side == "input" else matrix.T) @ own.vectors[:, i]
                row.append(float(image @ image) if own.simple(i) and exact.simple(j) else None)
            rows.append(row)
        table.append(rows)
    return table


def outliers(values: np.ndarray, count: int) -> dict[str, float | int | None]:
    """
    ratio: lambda_count / lambda_(count+1). position: the k up to 3 (count + 1) with the largest
    lambda_k / max(lambda_(k+1), GAP lambda_1). None where there is no such eigenvalue, or the
    ratio's denominator is zero but for rounding.
    """
    floor = GAP * values[0]
    ratio = None
    if len(values) > count and values[count] >= floor:
        ratio = float(values[count - 1] / values[count])
    most = min(3 * (count + 1), len(values) - 1)
    gaps = [values[k - 1] / max(values[k], floor) for k in range(1, most + 1)]
    return {"ratio": ratio, "position": int(np.argmax(gaps)) + 1 if gaps else None}


def decoupling_error(block: np.ndarray, kronecker: np.ndarray) -> dict[str, float]:
    """||K - H|| / ||H||"""
    difference = kronecker - block
    return {
        "spectral": float(np.linalg.norm(difference, 2) / np.linalg.norm(block, 2)),
        "frobenius": float(np.linalg.norm(difference) / np.linalg.norm(block)),
    }
