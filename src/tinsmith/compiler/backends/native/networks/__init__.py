"""Networks: loop nests and contraction kernels as C."""
