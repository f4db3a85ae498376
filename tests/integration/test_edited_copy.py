"""A job's own, edited copy of an image is never lost in the bucket, whatever
the storage does with the conditions of a write, in every order of steps.
"""

import pytest

from pipeline import WHOLE_LIFE, Story, hosts_of_double, play, some_order
from s3_double import CONDITIONS

RANDOM_STORIES = 6
RANDOM_STEPS = 8


@pytest.fixture(scope="module", params=CONDITIONS)
def hosts(request):
    """Two, with a bucket of one of the characters."""
    yield from hosts_of_double(request.param)


def test_a_whole_life_on_two_hosts(hosts):
    play(Story(hosts), WHOLE_LIFE)


def test_a_life_whose_image_is_in_the_bucket_alone(hosts):
    play(Story(hosts), [("persist_alone", 0), *WHOLE_LIFE])


@pytest.mark.parametrize("seed", range(RANDOM_STORIES))
def test_random_orders_keep_the_edited_copy(hosts, seed):
    play(Story(hosts), some_order(seed, RANDOM_STEPS))
