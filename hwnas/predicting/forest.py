"""A forest of regression trees as plain arrays: trained by scikit-learn, walked by NumPy, no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Marks a leaf in :attr:`Forest.feature`.
_LEAF = -1


@dataclass(frozen=True)
class Forest:
    """Trees one behind the other; every node has a row.

    Args:
        roots: Row of each tree's root, shape ``(trees,)``.
        feature: Column that a node asks for, or -1 in a leaf, shape ``(nodes,)``.
        threshold: Values up to it go left, shape ``(nodes,)``.
        left: Row of the left child, shape ``(nodes,)``; a leaf's own row.
        right: Row of the right child, likewise.
        value: What a leaf predicts, shape ``(nodes,)``.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        trees: int = 100,
        leaf: int = 1,
        columns: float = 0.5,
        seed: int = 0,
    ) -> Forest:
        """Extremely randomised trees (Geurts, Ernst and Wehenkel, Machine Learning 63, 2006).

        Args:
            x: Shape ``(n, features)``.
            y: Shape ``(n,)``.
            weights: Of the samples, shape ``(n,)``.
            trees: How many.
            leaf: Fewest samples in a leaf.
            columns: Share of the features that a node chooses among.
            seed: Of the random splits.
        """
        from sklearn.ensemble import ExtraTreesRegressor

        model = ExtraTreesRegressor(
            n_estimators=trees, min_samples_leaf=leaf, max_features=columns, random_state=seed, n_jobs=1
        )
        model.fit(x, y, sample_weight=weights)
        parts: list[list[np.ndarray]] = []
        roots, rows = [], 0
        for tree in (estimator.tree_ for estimator in model.estimators_):
            leaves = tree.children_left < 0
            own = np.arange(tree.node_count)
            parts.append(
                [
                    np.where(leaves, _LEAF, tree.feature),
                    tree.threshold,
                    np.where(leaves, own, tree.children_left) + rows,
                    np.where(leaves, own, tree.children_right) + rows,
                    np.where(leaves, tree.value[:, 0, 0], 0.0),
                ]
            )
            roots.append(rows)
            rows += tree.node_count
        feature, threshold, left, right, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(
            np.array(roots, dtype=np.int32),
            feature.astype(np.int16),
            # Random splits lie far from what single precision rounds away; what the samples are is single, too.
            threshold.astype(np.float32),
            left.astype(np.int32),
            right.astype(np.int32),
            value.astype(np.float32),
        )

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean over the trees and their standard deviation.

        Args:
            x: Shape ``(n, features)``.

        Returns:
            Two arrays of the shape ``(n,)``.
        """
        # scikit-learn compares single precision, and so must this.
        x = np.asarray(x, dtype=np.float32)
        node = np.repeat(self.roots[:, None], len(x), axis=1)
        row = np.arange(len(x))[None, :]
        while True:
            feature = self.feature[node]
            inner = feature != _LEAF
            if not inner.any():
                break
            left = x[row, feature] <= self.threshold[node]
            node = np.where(left, self.left[node], self.right[node])
        values = self.value[node].astype(np.float64)
        return values.mean(axis=0), values.std(axis=0)

    def arrays(self) -> dict[str, np.ndarray]:
        """What :meth:`of_arrays` rebuilds it from: children by how far they are, which packs well."""
        own = np.arange(len(self.feature), dtype=np.int32)
        return {
            "roots": self.roots,
            "feature": self.feature,
            "threshold": self.threshold,
            "left": self.left - own,
            "right": self.right - own,
            "value": self.value,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Forest:
        """Rebuild from :meth:`arrays`.

        Raises:
            ValueError: The arrays are no forest: a walk through it would leave them, or not end.
        """
        found = {name: arrays[name] for name in cls.__dataclass_fields__}
        nodes = len(found["feature"])
        own = np.arange(nodes, dtype=np.int32)
        same = all(len(found[name]) == nodes for name in ("threshold", "left", "right", "value"))
        if same:
            found |= {name: found[name] + own for name in ("left", "right")}
        forest = cls(**found)
        if not same or not nodes or not len(forest.roots):
            raise ValueError("its arrays differ in length")
        inner = forest.feature != _LEAF
        # Children lie behind their parents, so that every walk ends.
        sound = (
            (forest.feature >= _LEAF).all()
            and (forest.left[~inner] == own[~inner]).all()
            and (forest.right[~inner] == own[~inner]).all()
            and (forest.roots >= 0).all()
            and (forest.roots < nodes).all()
            and (forest.left[inner] > own[inner]).all()
            and (forest.right[inner] > own[inner]).all()
            and (forest.left < nodes).all()
            and (forest.right < nodes).all()
        )
        if not sound:
            raise ValueError("a node has no place in it")
        return forest
