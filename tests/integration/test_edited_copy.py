"""A job's own, edited copy of an image is never lost in the bucket, whatever
the storage does with the conditions of a write, in every order of steps.
"""

import pytest

from pipeline import (CHOICES, WHOLE_LIFE, Host, Story, orders_after_an_edit,
                      play, shelf_of_double, some_order)
from s3_double import CONDITIONS, S3Double

RANDOM_STORIES = 6
RANDOM_STEPS = 8


@pytest.fixture(scope="module", params=CONDITIONS)
def hosts(request):
    """Two, with a bucket of one of the characters."""
    double = S3Double()
    double.conditions = request.param
    both = [Host(double, shelf_of_double(double)) for _ in range(2)]
    try:
        yield both
        assert not double.complaints, double.complaints
    finally:
        for one in both:
            one.end()
        double.close()


def test_a_whole_life_on_two_hosts(hosts):
    play(Story(hosts), WHOLE_LIFE)


def test_a_life_whose_image_is_in_the_bucket_alone(hosts):
    play(Story(hosts), [("persist_alone", 0), *WHOLE_LIFE])


@pytest.mark.parametrize("first", CHOICES, ids="{0[0]}-{0[1]}".format)
def test_every_order_of_two_steps_keeps_the_edited_copy(hosts, first):
    for steps in orders_after_an_edit(first):
        play(Story(hosts), steps)


@pytest.mark.parametrize("seed", range(RANDOM_STORIES))
def test_random_orders_keep_the_edited_copy(hosts, seed):
    play(Story(hosts), some_order(seed, RANDOM_STEPS))
