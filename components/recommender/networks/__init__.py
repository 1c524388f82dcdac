"""What is trained: torch modules, their losses and likelihoods."""
