import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.networks.mixer import Mixer, MixerConfig

SWITCHES = {
    "plain": MixerConfig(dim=8, num_layers=2, max_length=6, relation_dim=0, position=False),
    "set": MixerConfig(dim=8, num_layers=2, max_length=6, relation_dim=4, position=False),
    "hstu": MixerConfig(block="hstu", dim=8, num_layers=2, max_length=6, relation_dim=0, time_gaps=True),
    "fmlp": MixerConfig(block="fmlp", dim=8, num_layers=2, max_length=6, relation_dim=0),
    "gru": MixerConfig(block="gru", dim=8, num_layers=2, max_length=6, relation_dim=0),
    "ssm": MixerConfig(block="ssm", dim=8, num_layers=2, max_length=6, relation_dim=0, time_gaps=True),
    "sequence": MixerConfig(dim=8, num_layers=2, max_length=6, relation_dim=4, position=True, time_gaps=True),
}


def built(config: MixerConfig) -> Mixer:
    """Random weights everywhere, so that no switch is silent because its table starts at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mixer = Mixer(config).eval()
        with torch.no_grad():
            for weight in mixer.parameters():
                weight.normal_(0, 0.5)
    return mixer


def random_input(places: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randn(2, places, 8, generator=draw)
    return vectors, torch.randint(0, 1000, (2, places), generator=draw).sort(dim=1).values


@pytest.mark.parametrize("name", SWITCHES)
@settings(max_examples=15, deadline=None)
@given(places=st.integers(1, 6), seed=st.integers(0, 99), cut=st.integers(0, 6))
def test_a_state_reads_nothing_after_it(name, places, seed, cut):
    """What follows, and padding on the right, changes no earlier state: user gates are causal too."""
    cut = min(cut, places)
    mixer, (vectors, times) = built(SWITCHES[name]), random_input(places, seed)
    changed, later = vectors.clone(), times.clone()
    changed[:, cut:] += 5
    later[:, cut:] += 10**6
    with torch.inference_mode():
        torch.testing.assert_close(mixer(vectors, times)[:, : cut + 1], mixer(changed, later)[:, : cut + 1])
        alone = mixer(vectors[:, :cut], times[:, :cut])[:, cut]
        torch.testing.assert_close(mixer(vectors, times)[:, cut], alone, atol=1e-5, rtol=1e-5)


def test_without_position_the_last_state_reads_a_set():
    """One layer: the order of the items before the last does not matter; with positions it does."""
    vectors, times = random_input(5, 1)
    shuffled = vectors[:, [2, 0, 3, 1, 4]]
    for position in (False, True):
        mixer = built(MixerConfig(dim=8, num_layers=1, max_length=6, relation_dim=4, position=position))
        with torch.inference_mode():
            same = torch.allclose(mixer(vectors, times)[:, -1], mixer(shuffled, times)[:, -1], atol=1e-5)
        assert same is not position


def test_time_gaps_change_the_state():
    vectors, times = random_input(4, 2)
    mixer = built(SWITCHES["sequence"])
    with torch.inference_mode():
        assert not torch.allclose(mixer(vectors, times), mixer(vectors, times * 50))


def test_relation_term_is_the_published_formula():
    """One query by hand: score = (q·k + g_q x U_Q · g_k x' U_K) / √d, value = v + g_v x' U_V, gates of the user."""
    mixer = built(MixerConfig(dim=8, num_layers=1, num_heads=1, max_length=6, relation_dim=4, position=False))
    block = mixer.blocks[0]
    x = torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(3))
    user = x.cumsum(1) / torch.arange(1, 4)[:, None]
    causal = torch.zeros(1, 1, 3, 3).masked_fill(torch.ones(3, 3).triu(1).bool(), -torch.inf)
    with torch.inference_mode():
        got = block._attend(x, user, causal)[0, -1]
        q, k, v = block.qkv(x)[0].split(8, dim=-1)
        gate_q, gate_k, gate_v = block.relation.gates(user[0, -1])
        relation = block.relation
        bilinear = (gate_q * relation.query(x[0, -1])) @ (gate_k * relation.key(x[0])).T
        weights = ((q[-1] @ k.T + bilinear) / 8**0.5).softmax(0)
        wanted = weights @ (v + gate_v * relation.value(x[0]))
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_config_is_checked():
    with pytest.raises(ValueError, match="no multiple"):
        MixerConfig(dim=10, num_heads=4)
    with pytest.raises(ValueError, match="max_length is 0"):
        MixerConfig(max_length=0)


def test_switches_that_exclude_each_other():
    with pytest.raises(ValueError, match="block is 'mlp'; it is one of attention, hstu"):
        MixerConfig(block="mlp")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="relation_dim is 0 with hstu"):
        MixerConfig(block="hstu")
    with pytest.raises(ValueError, match="fmlp scores no pairs of places, so it has no time_gaps"):
        MixerConfig(block="fmlp", relation_dim=0, time_gaps=True)
