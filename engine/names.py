"""Names for runs that can be read, said and typed: brisk-otter."""

from __future__ import annotations

from collections.abc import Iterator
from random import SystemRandom

ADJECTIVES = (
    "able agile amber apt bold brave breezy bright brisk calm candid clever cosmic crisp daring deft eager early "
    "fair fleet fond fresh gentle glad golden grand happy hardy honest humble jolly keen kind light lively lucid "
    "lucky mellow merry mild misty modest nimble noble patient placid plucky polite prime proud quick quiet rapid "
    "ready rosy rustic sage serene silent silver sleek smooth snug solar spry steady still sunny sure swift tame "
    "tidy tranquil true upbeat vivid warm wise witty young zesty"
)
ANIMALS = (
    "alpaca badger bat beaver beetle bison bittern bream buzzard camel carp cat cicada cod crab crane cricket crow "
    "curlew deer dingo dolphin donkey dove duck eagle eel egret elk falcon ferret finch fox frog gecko gibbon goat "
    "goose grouse gull hare hawk hedgehog heron ibex ibis jackal jay kestrel kiwi koala lark lemur linnet lizard "
    "llama loon lynx magpie marmot marten mole moose moth mouse newt ocelot osprey otter owl panda perch pika plover "
    "pony puffin quail rabbit raven robin salmon seal shrew skink sparrow squid starling stoat stork swan tapir "
    "tern thrush toad trout turtle vole walrus weasel whale wolf wombat wren yak zebra"
)


def names() -> Iterator[str]:
    """Names without end, each with a growing number behind it once plain ones have been refused often enough.

    Drawn apart from every seed: two runs with the same seed still have two names.
    """
    random = SystemRandom()
    attempt = 0
    while True:
        attempt += 1
        name = f"{random.choice(ADJECTIVES.split())}-{random.choice(ANIMALS.split())}"
        yield name if attempt <= 20 else f"{name}-{attempt}"
