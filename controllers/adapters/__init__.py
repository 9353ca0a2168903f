"""What speaks with the world outside the park: each file one neighbour and its protocol."""
