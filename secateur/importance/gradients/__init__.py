"""Exact sums over examples of each example's own gradient, without a pass per example.

One forward and backward pass of a batch gives, for each call of a layer, its input x and the
gradient δ of the summed losses with respect to what the layer's weights produce. The examples of
a batch do not see each other, so row i of δ belongs to L_i alone, and the gradient of L_i with
respect to the weights is a product of row i of x and row i of δ: `terms` knows these products,
`forms` which layer has which, `capture` gathers x and δ, and `engine` adds up.
"""
