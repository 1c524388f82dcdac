import pytest

from components.recommender.training.training_config import TrainingConfig


def test_config_is_checked():
    with pytest.raises(ValueError, match="at least 1"):
        TrainingConfig(epochs=0)
    with pytest.raises(ValueError, match="validation_share is 1"):
        TrainingConfig(validation_share=1)
