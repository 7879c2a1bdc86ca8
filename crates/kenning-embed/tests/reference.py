"""What all-MiniLM-L6-v2 says of 1,000 texts, without any of our code.

usage: reference.py MODEL_FOLDER OUTPUT_FOLDER

Writes texts.jsonl, a line for each text with its tokens, and vectors.f32, little-endian. Tokens
come from the package `tokenizers`, the arithmetic is plain numpy in float32, and the error function
of the activation is a table of the exact one. The same seed gives the same texts everywhere.
"""

import json
import math
import os
import random
import sys

import numpy as np
from tokenizers import Tokenizer

TEXTS = 1000
WORDS_MAX = 400
WINDOW = 256
LAYERS, HEADS, HIDDEN = 6, 12, 384

# First and last letters of scripts, and how long their words are; 0 is written without spaces.
SCRIPTS = [
    (0x61, 0x7A, 8), (0x41, 0x5A, 6), (0xC0, 0x24F, 6), (0x391, 0x3C9, 7), (0x410, 0x44F, 8),
    (0x5D0, 0x5EA, 5), (0x620, 0x64A, 6), (0x900, 0x97F, 6), (0xE01, 0xE4E, 0), (0x1EA0, 0x1EF9, 5),
    (0x3041, 0x3096, 0), (0x30A1, 0x30FA, 0), (0x4E00, 0x9FA5, 0), (0xAC00, 0xD7A3, 4),
    (0xF00, 0xFBC, 5), (0x1F00, 0x1FFC, 6), (0xF900, 0xFAD9, 0), (0x20000, 0x2A6D6, 0),
    (0x1D400, 0x1D7FF, 4), (0x30, 0x39, 4),
]
EMOJI = [
    "\U0001F600", "\U0001F44D\U0001F3FD", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\u2764\uFE0F",
    "\U0001F1E9\U0001F1EA", "\U0001FAE0", "\u2615", "\U0001F9D1\u200D\U0001F4BB",
]
ODD = [
    "[MASK]", "[CLS]", "[SEP]x", "[PAD", "##ing", "\x00", "\x0b", "\x85", "\u200b", "\ufeff", "\ufffd",
    "e\u0301", "\u0130", "\u1e9e", "\u03a3\u03c2", "\u0344", "\u1fef", "\u037e", "\u2028", "\u3000", "\u00a0",
    "\ud7a3", "\u1100\u1161\u11a8", "a\u0328\u0301\u0323", "\u0f73\u0f71", "\u302e", "\u212b", "\ufb01",
    "\U0001D165\U0001D16D", "x" * 100, "x" * 101, "\u00e4" * 100, "\u00e4" * 101, "don't", "e-mail@x.org",
    "https://example.org/a?b=c&d=%20", "3.14159", "$1,000.00", "C++", "\u2026", "\u201cquoted\u201d", "\u00ad",
    "a\tb", "a\r\nb", "_under_score_", "\u00bd", "\u2460", "\u00b2",
]
MARKS = list(".,;:!?'\"()-/") + ["...", " - ", "\u2013", "\u3002", "\uff01", "\u060c"]


def word(draw, vocabulary):
    """A word, and whether a space follows."""
    kind = draw.random()
    if kind < 0.75:
        text = draw.choice(vocabulary)
        if draw.random() < 0.1:
            text += draw.choice(vocabulary)
        return text.capitalize() if draw.random() < 0.15 else text, True
    if kind < 0.9:
        first, last, length = draw.choice(SCRIPTS)
        size = draw.randint(1, 2 * (length or 2))
        return "".join(chr(draw.randint(first, last)) for _ in range(size)), length > 0
    if kind < 0.95:
        return draw.choice(EMOJI), draw.random() < 0.5
    if kind < 0.98:
        return draw.choice(ODD), draw.random() < 0.5
    code = draw.randint(1, 0x10FFFF)
    return chr(code) if not 0xD800 <= code < 0xE000 else "?", False


def make_text(draw, vocabulary):
    """A text of 1 to WORDS_MAX words; one in five has words of the vocabulary only."""
    plain = draw.random() < 0.2
    parts = []
    # Short texts are many, as each long one takes a second.
    count = int(math.exp(draw.uniform(0, math.log(WORDS_MAX + 1))))
    for _ in range(count):
        text, space = (draw.choice(vocabulary), True) if plain else word(draw, vocabulary)
        parts.append(text)
        if draw.random() < 0.12:
            parts.append(draw.choice(MARKS))
        if space:
            parts.append("\n" if draw.random() < 0.02 else " ")
    return "".join(parts)


def read_weights(path):
    """The tensors of a file of safetensors."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        body = file.read()
    weights = {}
    for name, tensor in header.items():
        if name != "__metadata__" and tensor["dtype"] == "F32":
            first, last = tensor["data_offsets"]
            weights[name] = np.frombuffer(body[first:last], np.float32).reshape(tensor["shape"])
    return weights


STEP = 4096
ERF = np.array([math.erf(x / STEP) for x in range(-6 * STEP, 6 * STEP + 2)], np.float64)


def gelu(x):
    at = (np.clip(x * math.sqrt(0.5), -6, 6).astype(np.float64) + 6) * STEP
    idx = at.astype(np.int32)
    erf = ERF[idx] + (at - idx) * (ERF[idx + 1] - ERF[idx])
    return (0.5 * x * (1 + erf)).astype(np.float32)


def norm(x, weights, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * weights[name + ".weight"] + weights[name + ".bias"]


def embed(weights, ids):
    """The vector of one text."""
    def linear(x, name):
        return x @ weights[name + ".weight"].T + weights[name + ".bias"]

    count = len(ids)
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][:count]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], weights, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        heads = [
            linear(x, at + "attention.self." + part).reshape(count, HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        ]
        scores = heads[0] @ heads[1].transpose(0, 2, 1) / np.float32(math.sqrt(HIDDEN // HEADS))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        context = (scores @ heads[2]).transpose(1, 0, 2).reshape(count, HIDDEN)
        x = norm(x + linear(context, at + "attention.output.dense"), weights, at + "attention.output.LayerNorm")
        wide = gelu(linear(x, at + "intermediate.dense"))
        x = norm(x + linear(wide, at + "output.dense"), weights, at + "output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def main():
    model, output = sys.argv[1:]
    tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW)
    weights = read_weights(os.path.join(model, "model.safetensors"))
    vocabulary = sorted(token for token in tokenizer.get_vocab() if token.isalpha())
    draw = random.Random(20240217)
    texts = [make_text(draw, vocabulary) for _ in range(TEXTS)]
    os.makedirs(output, exist_ok=True)
    with open(os.path.join(output, "texts.jsonl"), "w", encoding="utf-8") as lines, open(
        os.path.join(output, "vectors.f32"), "wb"
    ) as vectors:
        for text in texts:
            ids = tokenizer.encode(text).ids
            lines.write(json.dumps({"text": text, "ids": ids}) + "\n")
            vectors.write(embed(weights, ids).astype("<f4").tobytes())


main()
