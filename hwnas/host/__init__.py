"""What is known of this machine: hardware, limits, noise, and who measures on it now."""
