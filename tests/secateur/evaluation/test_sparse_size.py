"""Sparse sizes equal those of the formats, written down by other means."""

from __future__ import annotations

import keras
import numpy as np
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from secateur.evaluation.sparse_size import sparse_sizes


class _Weights(keras.layers.Layer):
    def __init__(self, kernel):
        super().__init__()
        self._values = kernel

    def build(self, _):
        shape = self._values.shape
        initial = keras.initializers.Constant(0.0)
        self.kernel = self.add_weight(shape=shape, name="kernel", initializer=initial)
        self.bias = self.add_weight(shape=(3,), name="bias", initializer=initial)
        self.kernel.assign(self._values)

    def call(self, x):
        return x


shapes = st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple)
values = st.sampled_from([0.0, 0.0, 0.0, 1.5, -2.0])


@settings(max_examples=20, deadline=None)
@given(shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=values)))
def test_bytes_are_those_of_scipys_csr_and_of_a_bit_a_weight(kernel):
    model = keras.Sequential([keras.Input((2,)), _Weights(kernel)])
    found = sparse_sizes(model)
    csr = scipy.sparse.csr_matrix(kernel.reshape(-1, kernel.shape[-1]))
    biases = 3 * 4
    assert found["csr"].raw == csr.data.nbytes + 2 * csr.nnz + 4 * len(csr.indptr) + biases
    bits = -(-kernel.size // 8)
    assert found["bitmap"].raw == 4 * np.count_nonzero(kernel) + bits + biases
