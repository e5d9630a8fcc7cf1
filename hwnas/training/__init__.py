"""Accuracy: images, one training loop, and those who tell what a network's accuracy is."""
