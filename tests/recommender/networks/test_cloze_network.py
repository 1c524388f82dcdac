"""What a mask reads, and where it stands when the next item is asked for."""

import pytest
import torch

from components.recommender.networks.cloze_network import Cloze, ClozeNetwork
from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer import Mixer, MixerConfig

ITEMS = 9
MASK, PADDING = ITEMS, ITEMS + 1


@pytest.fixture(scope="module")
def network() -> ClozeNetwork:
    """Random weights everywhere, so that nothing is silent because it starts at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        items = ItemEmbedding(torch.zeros(ITEMS, 0, dtype=torch.long), [], 8)
        mixer = Mixer(MixerConfig(dim=8, num_layers=2, max_length=6, relation_dim=0, bidirectional=True))
        made = ClozeNetwork(items, mixer, torch.arange(ITEMS), cloze=Cloze()).eval()
        with torch.no_grad():
            for weight in made.parameters():
                weight.normal_(0, 0.5)
    return made


def state(network: ClozeNetwork, items: list[int], at: int) -> torch.Tensor:
    with torch.inference_mode():
        return network.states(network.items(), torch.tensor([items]), torch.zeros(1, len(items)).long())[
            0, at + 1
        ]


def test_a_mask_reads_both_sides_in_their_order_and_no_padding(network):
    wanted = state(network, [1, 2, MASK, 3, 4], 2)
    for changed in ([1, 2, MASK, 3, 5], [5, 2, MASK, 3, 4], [1, 2, MASK, 4, 3], [2, 1, MASK, 3, 4]):
        assert not torch.allclose(wanted, state(network, changed, 2), atol=1e-3), changed
    padded = state(network, [1, 2, MASK, 3, 4, PADDING, PADDING], 2)
    torch.testing.assert_close(padded, wanted, atol=1e-5, rtol=1e-5)


def test_the_next_item_is_asked_for_by_a_mask_behind_the_last_event(network):
    """Whatever stands beyond the length of a history; an empty one is a mask alone; a full one has its place too."""
    items = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    length = torch.tensor([6, 2, 0])
    with torch.inference_mode():
        found = network.last_states(network.items(), items, torch.zeros_like(items), length)
    for row, history in enumerate(([1, 2, 3, 4, 5, 6], [7, 8], [])):
        wanted = state(network, [*history, MASK], len(history))
        torch.testing.assert_close(found[row], wanted, atol=1e-5, rtol=1e-5)


def test_shares_are_checked():
    with pytest.raises(ValueError, match="share is not 0"):
        Cloze(share=0.0)
    with pytest.raises(ValueError, match=r"last_share 1\.5"):
        Cloze(last_share=1.5)
