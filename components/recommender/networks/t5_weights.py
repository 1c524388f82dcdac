"""Weights of a T5 checkpoint under the names of `encoder_decoder.py`, so that both can be run on the same."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def from_t5(weights: Mapping[str, Tensor], *, num_layers: int, num_decoder_layers: int) -> dict[str, Tensor]:
    """State dict of an EncoderDecoder from that of Hugging Face's T5ForConditionalGeneration.

    Of the ReLU kind with tied embeddings. Raises KeyError for a part that the checkpoint lacks.
    """
    made = {
        "embedding": weights["shared.weight"],
        "encoder_norm.weight": weights["encoder.final_layer_norm.weight"],
        "decoder_norm.weight": weights["decoder.final_layer_norm.weight"],
    }
    for side, layers in (("encoder", num_layers), ("decoder", num_decoder_layers)):
        # the first layer holds the positions of all
        position = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        made[f"{side}_position"] = weights[position]
        for layer in range(layers):
            theirs, ours = f"{side}.block.{layer}.layer", f"{side}.{layer}"
            own = f"{theirs}.0.SelfAttention"
            made[f"{ours}.attention.norm.weight"] = weights[f"{theirs}.0.layer_norm.weight"]
            made[f"{ours}.attention.qkv.weight"] = torch.cat(
                [weights[f"{own}.{part}.weight"] for part in "qkv"]
            )
            made[f"{ours}.attention.out.weight"] = weights[f"{own}.o.weight"]
            if side == "decoder":
                cross = f"{theirs}.1.EncDecAttention"
                made[f"{ours}.cross.norm.weight"] = weights[f"{theirs}.1.layer_norm.weight"]
                made[f"{ours}.cross.query.weight"] = weights[f"{cross}.q.weight"]
                made[f"{ours}.cross.key_value.weight"] = torch.cat(
                    [weights[f"{cross}.{part}.weight"] for part in "kv"]
                )
                made[f"{ours}.cross.out.weight"] = weights[f"{cross}.o.weight"]
            at = 2 if side == "decoder" else 1
            made[f"{ours}.forward_part.norm.weight"] = weights[f"{theirs}.{at}.layer_norm.weight"]
            made[f"{ours}.forward_part.widen.weight"] = weights[f"{theirs}.{at}.DenseReluDense.wi.weight"]
            made[f"{ours}.forward_part.narrow.weight"] = weights[f"{theirs}.{at}.DenseReluDense.wo.weight"]
    return made
