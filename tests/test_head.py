"""The head in pieces of the vocabulary against the whole softmax, written out."""

from __future__ import annotations

import numpy as np
import pytest

from engine.network import head


@pytest.mark.parametrize("piece", [1, 7, 20, 100])
def test_pieces_of_the_vocabulary_give_the_loss_and_gradients_of_the_whole(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With logits of hundreds: a softmax without its largest logit would overflow."""
    monkeypatch.setattr(head, "PIECE", piece)
    rng = np.random.default_rng(0)
    vocabulary, hidden, columns, count = 20, 6, 9, 12.5
    weight, states = rng.standard_normal((vocabulary, hidden)), rng.standard_normal((columns, hidden))
    bias = rng.permutation(np.linspace(-800, 800, vocabulary))
    targets = rng.integers(0, vocabulary, columns)
    targets[0] = bias.argmax()

    z = states @ weight.T + bias
    z -= z.max(axis=1, keepdims=True)
    log_softmax = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    d_z = (np.exp(log_softmax) - np.eye(vocabulary)[targets]) / count

    gradients = np.empty((vocabulary, hidden)), np.empty(vocabulary)
    d_states, scratch = np.empty((columns, hidden)), np.empty((columns, hidden))
    logits = np.empty((vocabulary, columns))
    loss = head.loss_and_gradient((weight, bias), states, targets, count, logits, gradients, d_states, scratch)
    assert loss == pytest.approx(-log_softmax[np.arange(columns), targets].sum() / count, rel=1e-12)
    np.testing.assert_allclose(gradients[0], d_z.T @ states, atol=1e-13)
    np.testing.assert_allclose(gradients[1], d_z.sum(axis=0), atol=1e-13)
    np.testing.assert_allclose(d_states, d_z @ weight, atol=1e-13)


def test_no_state_has_no_loss() -> None:
    gradients = np.ones((5, 2)), np.ones(5)
    none = np.empty((0, 2))
    parameters = np.ones((5, 2)), np.ones(5)
    targets = np.empty(0, np.intp)
    assert head.loss_and_gradient(parameters, none, targets, 1.0, np.empty((5, 0)), gradients, none, none) == 0
    assert not gradients[0].any()
    assert not gradients[1].any()
