"""Items by what somebody asks for in words, and in the order in which the champion would show them."""
