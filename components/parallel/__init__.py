"""Many workers inside a stage: the only room of Ray. Without the extra `ray` it says how to install it."""
