"""NetAdapt: a trained network shrunk step by step until its predicted latency is within a limit."""
