"""What a model said stands in rows as it said it."""

from __future__ import annotations

from evaluation_operator.sampling.sample.shaping import data_bytes, prediction_bytes, row_texts


def test_texts_are_compact_and_keep_their_characters() -> None:
    assert data_bytes({"text": "Ü – 驚き"}).decode() == '{"instances":[{"text":"Ü – 驚き"}]}'
    assert prediction_bytes("a\0b") == b'{"predictions":["a\\u0000b"]}'
    assert row_texts(1, 2) == (data_bytes(1).decode(), prediction_bytes(2).decode())
