"""Steps by hand without anything kept, and what no step may see."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.networks.mixer import MixerConfig
from components.recommender.networks.reasoning_mixer import Reasoning, ReasoningMixer

CONFIG = MixerConfig(dim=8, num_layers=2, max_length=6, relation_dim=0)


def built(num_steps: int, block_size: int) -> ReasoningMixer:
    """Random weights everywhere, so that no part is silent because it starts at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mixer = ReasoningMixer(CONFIG, Reasoning(num_steps=num_steps, block_size=block_size)).eval()
        with torch.no_grad():
            for weight in mixer.parameters():
                weight.normal_(0, 0.5)
    return mixer


def random_vectors(windows: int, places: int, seed: int) -> torch.Tensor:
    return torch.randn(windows, places, 8, generator=torch.Generator().manual_seed(seed))


def by_hand(mixer: ReasoningMixer, vectors: torch.Tensor) -> torch.Tensor:
    """[K, dim] thoughts after all of one history [P - 1, dim]: each step a whole pass over history and all blocks."""
    x, places = torch.cat([mixer.start[None], vectors])[None], len(vectors) + 1
    at = torch.arange(places)
    thought, said = mixer(vectors[None], torch.zeros(1, len(vectors), dtype=torch.long))[0, -1:], []
    for step, learned in enumerate(mixer.steps):
        x = torch.cat([x, (thought + learned)[None]], dim=1)
        # places of a block stand where the history ends; of its own block a place sees all, of later ones none
        stands = torch.cat([at, (places - 1) * torch.ones((step + 1) * len(learned), dtype=torch.long)])
        block = torch.cat(
            [torch.zeros(places, dtype=torch.long), torch.arange(1, step + 2).repeat_interleave(len(learned))]
        )
        distance = stands[:, None] - stands
        hidden = (block[:, None] < block) | (distance < 0)
        bias = mixer.position[:, distance.clamp(min=0)]
        bias = torch.where(block[None, :] > 0, 0.0, bias).masked_fill(hidden, -torch.inf)[None]
        passed = x
        for layer in mixer.blocks:
            passed = layer(passed, None, bias)
        thought = mixer.norm(passed)[0, -len(learned) :]
        said.append(thought.mean(dim=0))
    return torch.stack(said)


@settings(max_examples=20, deadline=None)
@given(
    places=st.integers(0, 6),
    num_steps=st.integers(1, 3),
    block_size=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_what_is_kept_changes_nothing(places, num_steps, block_size, seed):
    """Every place of two histories asked about at once: what passes over each history's beginning alone would say."""
    mixer, vectors = built(num_steps, block_size), random_vectors(2, places, seed)
    times = torch.zeros(2, places, dtype=torch.long)
    asked = torch.arange(places + 1).flip(0).repeat(2, 1)
    with torch.inference_mode():
        states, thoughts = mixer.thinking(vectors, times, asked)
        torch.testing.assert_close(states, mixer(vectors, times), atol=1e-5, rtol=1e-5)
        for window in range(2):
            for slot, place in enumerate(asked[window].tolist()):
                wanted = by_hand(mixer, vectors[window, :place])
                torch.testing.assert_close(thoughts[window, :, slot], wanted, atol=1e-4, rtol=1e-4)


def test_it_begins_at_the_state_before_the_steps():
    """Untrained layers add nothing, so that a step repeats the state but for its learned vector, here of nothing."""
    torch.manual_seed(0)
    mixer = ReasoningMixer(CONFIG, Reasoning(num_steps=3)).eval()
    with torch.no_grad():
        mixer.steps.zero_()
        states, thoughts = mixer.thinking(
            random_vectors(1, 4, 1), torch.zeros(1, 4, dtype=torch.long), torch.tensor([[2]])
        )
    torch.testing.assert_close(thoughts[0, :, 0], states[0, 2].expand(3, -1), atol=1e-4, rtol=1e-4)


def test_steps_are_counted_from_one():
    with pytest.raises(ValueError, match="num_steps, block_size, asked and horizon must be at least 1"):
        Reasoning(num_steps=0)
