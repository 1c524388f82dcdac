"""What is raised when a training's loss is no number any more, whichever network it is."""


class TrainingDiverged(ArithmeticError):
    """A loss is no longer a number: names the stage or epoch, and the step."""
