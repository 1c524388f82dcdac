"""From states and scores to ranked lists."""
