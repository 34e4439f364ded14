"""llama.cpp's server with a model of random weights: `python -m tests.noise_model FOLDER PORT`.

The model is a Llama of half a megabyte whose tokens are the 256 bytes and a few words. What it
says is noise, and much of it no UTF-8.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, CONTEXT = 64, 2, 4, 2048

FEED_FORWARD = {"gate": (4 * WIDTH, WIDTH), "up": (4 * WIDTH, WIDTH), "down": (WIDTH, 4 * WIDTH)}

SPECIAL = ["<unk>", "<s>", "</s>"]
WORDS = [f"▁{word}" for word in ("the", "of", "grün", "日本", "🙂", "a", "to", "x")]

TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }}: {{ message['content'] }}</s>"
    "{% endfor %}<s>assistant: "
)


def write_model(path: Path) -> None:
    """Writes the model's file."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(4 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    tokens = _add_vocabulary(writer)
    _add_weights(writer, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter) -> int:
    kinds = gguf.TokenType
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS]
    special = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([*special, *[kinds.BYTE] * 256, *[kinds.NORMAL] * len(WORDS)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    return len(tokens)


def _add_weights(writer: gguf.GGUFWriter, tokens: int) -> None:
    chance = np.random.default_rng(7)

    def noise(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.2, shape).astype(np.float32)

    # All tokens share their first number, and the special ones alone shrink from it: the noise does
    # not end by chance, only where nothing else may follow.
    said, heard = noise(tokens, WIDTH), 100 * noise(tokens, WIDTH)
    heard[:, 0] = 100
    said[:, 0] = 0
    said[: len(SPECIAL), 0] = -4
    writer.add_tensor("token_embd.weight", heard)
    writer.add_tensor("output.weight", said)
    norms = ["output_norm"]
    for layer in range(LAYERS):
        norms += [f"blk.{layer}.attn_norm", f"blk.{layer}.ffn_norm"]
        for part in ("q", "k", "v", "output"):
            writer.add_tensor(f"blk.{layer}.attn_{part}.weight", noise(WIDTH, WIDTH))
        for part, shape in FEED_FORWARD.items():
            writer.add_tensor(f"blk.{layer}.ffn_{part}.weight", noise(*shape))
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))


def serve(model: Path, port: int) -> None:
    """Serves the model until the process ends."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = CONTEXT
    parameters.use_jinja = True
    # More would wait for each other longer than they count.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    _running = xllamacpp.Server(parameters)
    threading.Event().wait()


if __name__ == "__main__":
    file = Path(sys.argv[1]) / "noise.gguf"
    write_model(file)
    serve(file, int(sys.argv[2]))
