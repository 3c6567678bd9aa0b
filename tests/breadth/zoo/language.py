"""Models of transformers, made from configurations of a few layers: name -> module and inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as hf

Tensors = tuple[torch.Tensor, ...]
SMALL = {
    "vocab_size": 200,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 40,
}
IMAGE = {"image_size": 32, "patch_size": 8}


def ids(rows: int = 2, columns: int = 11) -> torch.Tensor:
    return torch.randint(5, 190, (rows, columns))


def masked(*more: torch.Tensor) -> Tensors:
    """Words, a mask whose second row ends early, and `more`."""
    mask = torch.ones(2, 11, dtype=torch.int64)
    mask[1, 7:] = 0
    return ids(), mask, *more


def segments() -> torch.Tensor:
    found = torch.zeros(2, 11, dtype=torch.int64)
    found[:, 6:] = 1
    return found


def picture() -> Tensors:
    return (torch.rand(2, 3, 32, 32),)


def bert(kind: str, **more: Any) -> Callable[[dict[str, Any]], torch.nn.Module]:
    return lambda common: getattr(hf, kind)(hf.BertConfig(**SMALL, **more, **common))


def encoder(model: str, config: str, **more: Any) -> Callable[[dict[str, Any]], torch.nn.Module]:
    return lambda common: getattr(hf, model)(getattr(hf, config)(**{**SMALL, **more}, **common))


def distilbert(common: dict[str, Any]) -> torch.nn.Module:
    sizes = {"vocab_size": 200, "dim": 64, "hidden_dim": 128, "n_layers": 3, "n_heads": 4}
    return hf.DistilBertForSequenceClassification(hf.DistilBertConfig(**sizes, num_labels=3, **common))


class Causal(torch.nn.Module):
    """Gives a model the mask by which words see those before them: PyTorch does not trace what transformers
    makes such masks with (`unordered_map::at`)."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> Any:
        size = input_ids.shape[1]
        mask = torch.ones(size, size, dtype=torch.bool).tril()[None, None]
        return self.model(input_ids, attention_mask=mask)


def gpt2(common: dict[str, Any]) -> torch.nn.Module:
    sizes = {"vocab_size": 200, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 40}
    return Causal(hf.GPT2LMHeadModel(hf.GPT2Config(**sizes, use_cache=False, **common)))


def t5(common: dict[str, Any]) -> torch.nn.Module:
    sizes = {"vocab_size": 200, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 3, "num_heads": 4}
    common = {key: value for key, value in common.items() if key != "attn_implementation"}
    return hf.T5EncoderModel(hf.T5Config(**sizes, use_cache=False, **common))


def whisper(common: dict[str, Any]) -> torch.nn.Module:
    sizes = {"vocab_size": 200, "d_model": 64, "encoder_layers": 2, "encoder_attention_heads": 4}
    config = hf.WhisperConfig(
        **sizes,
        decoder_layers=1,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        num_mel_bins=16,
        max_source_positions=20,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        **common,
    )
    return hf.WhisperModel(config).encoder


def wav2vec2(common: dict[str, Any]) -> torch.nn.Module:
    sizes = {
        "conv_dim": (16, 16),
        "conv_stride": (5, 2),
        "conv_kernel": (10, 3),
        "num_feat_extract_layers": 2,
    }
    kept = {key: value for key, value in SMALL.items() if key != "max_position_embeddings"}
    config = hf.Wav2Vec2Config(
        **kept, **sizes, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4, **common
    )
    return hf.Wav2Vec2ForCTC(config)


def clip(common: dict[str, Any]) -> torch.nn.Module:
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    return hf.CLIPVisionModelWithProjection(
        hf.CLIPVisionConfig(**sizes, **IMAGE, projection_dim=16, **common)
    )


MODELS: dict[str, tuple[Callable[[dict[str, Any]], torch.nn.Module], Callable[[], Tensors]]] = {
    "bert": (bert("BertModel"), lambda: masked(segments())),
    "bert_one_input": (bert("BertModel"), lambda: (ids(),)),
    "bert_classifier": (bert("BertForSequenceClassification", num_labels=3), lambda: masked(segments())),
    "bert_masked_words": (bert("BertForMaskedLM"), masked),
    "bert_answers": (bert("BertForQuestionAnswering"), masked),
    "distilbert": (distilbert, masked),
    "roberta": (encoder("RobertaModel", "RobertaConfig"), masked),
    "roberta_tags": (encoder("RobertaForTokenClassification", "RobertaConfig", num_labels=5), masked),
    "electra": (encoder("ElectraModel", "ElectraConfig", embedding_size=32), masked),
    "albert": (encoder("AlbertModel", "AlbertConfig", embedding_size=32), masked),
    "mpnet": (encoder("MPNetModel", "MPNetConfig"), masked),
    "deberta_v2": (encoder("DebertaV2Model", "DebertaV2Config"), masked),
    "gpt2": (gpt2, lambda: (ids(),)),
    "t5_encoder": (t5, masked),
    "vit": (encoder("ViTForImageClassification", "ViTConfig", **IMAGE, num_labels=7), picture),
    "deit": (encoder("DeiTForImageClassification", "DeiTConfig", **IMAGE, num_labels=7), picture),
    "clip_vision": (clip, picture),
    "whisper_encoder": (whisper, lambda: (torch.rand(1, 16, 40),)),
    "wav2vec2": (wav2vec2, lambda: (torch.randn(1, 800),)),
}


def model(name: str, eager: bool) -> tuple[torch.nn.Module, Tensors]:
    """Answers by tuples; `eager`: attention by products and softmax, as scripts and old versions have it."""
    common: dict[str, Any] = {"torchscript": True, "attn_implementation": "eager" if eager else "sdpa"}
    if name in ("deberta_v2", "electra", "mpnet"):
        common.pop("attn_implementation")
    make, inputs = MODELS[name]
    return make(common).eval(), inputs()
