"""Networks beside those of other packages."""

import torch


def from_one_seed(*makers):
    """What each of ``makers`` makes from the same seed."""
    made = []
    for make in makers:
        torch.manual_seed(0)
        made.append(make())
    return made


def assert_same_state(network, peer):
    """The same names in the same order, and the same values bit for bit."""
    ours, theirs = network.state_dict(), peer.state_dict()
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert torch.equal(ours[key], value), key


def has_state(network, state):
    """Whether a network's state is this one, bit for bit."""
    own = network.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[k], v) for k, v in state.items())
