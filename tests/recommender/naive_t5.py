"""T5 as its paper and checkpoints have it, one path of one user at a time: what the fast one is held to."""

import math

import torch

from components.recommender.networks.t5_layers import EncoderDecoderConfig


def random_t5_weights(config: EncoderDecoderConfig, vocabulary: int, seed: int) -> dict[str, torch.Tensor]:
    """A checkpoint under Hugging Face's names, large enough that likelihoods differ by much."""
    generator = torch.Generator().manual_seed(seed)
    inner = config.num_heads * config.head_dim

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * (shape[-1] ** -0.5)

    def norm() -> torch.Tensor:
        return 1 + 0.3 * torch.randn(config.dim, generator=generator)

    weights = {"shared.weight": torch.randn(vocabulary, config.dim, generator=generator) * 2}
    for side, layers in (("encoder", config.num_encoder_layers), ("decoder", config.num_decoder_layers)):
        weights[f"{side}.final_layer_norm.weight"] = norm()
        for layer in range(layers):
            block = f"{side}.block.{layer}.layer"
            kinds = ["SelfAttention"] + ["EncDecAttention"] * (side == "decoder")
            for at, kind in enumerate(kinds):
                weights[f"{block}.{at}.layer_norm.weight"] = norm()
                for part in "qkv":
                    weights[f"{block}.{at}.{kind}.{part}.weight"] = normal(inner, config.dim)
                weights[f"{block}.{at}.{kind}.o.weight"] = normal(config.dim, inner)
            weights[f"{block}.{len(kinds)}.layer_norm.weight"] = norm()
            weights[f"{block}.{len(kinds)}.DenseReluDense.wi.weight"] = normal(config.hidden, config.dim)
            weights[f"{block}.{len(kinds)}.DenseReluDense.wo.weight"] = normal(config.dim, config.hidden)
        weights[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = torch.randn(
            config.num_buckets, config.num_heads, generator=generator
        )
    return weights


def naive_logits(
    weights: dict[str, torch.Tensor], config: EncoderDecoderConfig, history: torch.Tensor, path: torch.Tensor
) -> torch.Tensor:
    """[S V] logits after each token of the path, everything computed anew."""

    def rms(x: torch.Tensor, name: str) -> torch.Tensor:
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weights[f"{name}.layer_norm.weight"]

    def bucket(distance: int, is_causal: bool) -> int:
        buckets, base = config.num_buckets, 0
        if is_causal:
            distance = max(-distance, 0)
        else:
            buckets //= 2
            base = buckets if distance > 0 else 0
            distance = abs(distance)
        exact = buckets // 2
        if distance < exact:
            return base + distance
        share = math.log(distance / exact) / math.log(config.max_distance / exact)
        return base + min(buckets - 1, exact + int(share * (buckets - exact)))

    def attention(
        name: str, x: torch.Tensor, read: torch.Tensor, side: str | None, is_causal: bool
    ) -> torch.Tensor:
        heads = []
        for head in range(config.num_heads):
            rows = slice(head * config.head_dim, (head + 1) * config.head_dim)
            q, k, v = (
                y @ weights[f"{name}.{part}.weight"][rows].T
                for part, y in zip("qkv", (x, read, read), strict=True)
            )
            scores = q @ k.T
            for i in range(len(x) if side else 0):
                for j in range(len(read)):
                    table = weights[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
                    scores[i, j] += table[bucket(j - i, is_causal), head]
                    if is_causal and j > i:
                        scores[i, j] = -math.inf
            heads.append(scores.softmax(-1) @ v)
        return torch.cat(heads, dim=-1) @ weights[f"{name}.o.weight"].T

    def feed_forward(name: str, x: torch.Tensor) -> torch.Tensor:
        hidden = (rms(x, name) @ weights[f"{name}.DenseReluDense.wi.weight"].T).relu()
        return hidden @ weights[f"{name}.DenseReluDense.wo.weight"].T

    x = weights["shared.weight"][history]
    for layer in range(config.num_encoder_layers):
        block = f"encoder.block.{layer}.layer"
        normed = rms(x, f"{block}.0")
        x = x + attention(f"{block}.0.SelfAttention", normed, normed, "encoder", False)
        x = x + feed_forward(f"{block}.1", x)
    read = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weights["encoder.final_layer_norm.weight"]
    y = weights["shared.weight"][path]
    for layer in range(config.num_decoder_layers):
        block = f"decoder.block.{layer}.layer"
        normed = rms(y, f"{block}.0")
        y = y + attention(f"{block}.0.SelfAttention", normed, normed, "decoder", True)
        y = y + attention(f"{block}.1.EncDecAttention", rms(y, f"{block}.1"), read, None, False)
        y = y + feed_forward(f"{block}.2", y)
    y = y / (y.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weights["decoder.final_layer_norm.weight"]
    return (y * config.dim**-0.5) @ weights["shared.weight"].T
