"""What can be measured: design-pattern stacks, zoo networks and models of one's own."""
