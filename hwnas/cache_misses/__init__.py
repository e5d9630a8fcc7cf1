"""Cache misses from the memory traffic of a network's kernels, without running it."""
