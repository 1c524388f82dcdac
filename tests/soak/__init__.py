"""`make soak`: hundreds of cycles on one home, a fault in each, and whether it still holds and does not grow."""
