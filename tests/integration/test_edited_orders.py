"""Every order of two steps after an edited copy came to the bucket: it stays,
whatever the storage does with the conditions of a write.
"""

import pytest

from pipeline import (CHOICES, Story, hosts_of_double, orders_after_an_edit,
                      play)
from s3_double import CONDITIONS


@pytest.fixture(scope="module", params=CONDITIONS)
def hosts(request):
    """Two, with a bucket of one of the characters."""
    yield from hosts_of_double(request.param)


@pytest.mark.parametrize("first", CHOICES, ids="{0[0]}-{0[1]}".format)
def test_every_order_of_two_steps_keeps_the_edited_copy(hosts, first):
    for steps in orders_after_an_edit(first):
        play(Story(hosts), steps)
