"""Upgrades and sudden deaths under load: nothing fails that need not."""

import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from house import kill, reap, wait_until
from model_double import draw
from wire import GET


class Load:
    """Threads that ask until told to stop, and what they were told."""

    def __init__(self, house, image_id: str, data: bytes):
        self.house, self.image_id, self.data = house, image_id, data
        self.stop = threading.Event()
        self.good = 0
        self.bad: list = []
        self.made: list[tuple[str, bytes]] = []
        self.threads = [threading.Thread(target=self._run, args=(ask,))
                        for ask in (self._get, self._get, self._json,
                                    self._healthz, self._post, self._post)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def must_get_far(self):
        """Waits until it has asked so much that a loss would have shown."""
        wait_until(lambda: self.bad or self.good > 100 and len(self.made) > 5,
                   "many answers", 30.0)

    def _run(self, ask):
        while not self.stop.is_set():
            try:
                ask()
                self.good += 1
            except Exception as why:  # counted, and shown by the test
                self.bad.append(repr(why)[:300])

    def _get(self):
        reply = self.house.http.picture(self.image_id)
        assert (reply.status, reply.body) == (200, self.data), reply.status

    def _json(self):
        reply = self.house.http.get(GET + self.image_id,
                                    headers={"Accept": "application/json"})
        assert reply.json()["image_id"] == self.image_id

    def _healthz(self):
        assert self.house.http.get("/healthz").status == 200

    def _post(self):
        reply = self.house.http.generate(num_images=1)
        self.made.append((reply.images()[0]["id"], reply.pictures()[0]))


def test_a_new_group_takes_over_a_live_socket_without_a_failed_request(
        new_house):
    house = new_house(workers={"fast": 2, "lookup": 1, "slow": 2})
    image = house.http.generate(num_images=1).images()[0]
    house.model.otherwise = draw(delay=0.05)
    with Load(house, image["id"], house.model.given[0]) as load:
        for _ in range(3):
            for name in ("slow", "fast"):
                codes = house.pools[name].replace(2)
                assert codes == [0, 0], codes
        load.must_get_far()
    assert not load.bad, load.bad[:5]
    for image_id, data in load.made:
        assert house.http.picture(image_id).body == data


def test_another_pool_stands_in_for_one_that_is_dead(new_house):
    house = new_house(workers={"fast": 1, "lookup": 1, "slow": 1})
    image = house.http.generate(num_images=1).images()[0]
    for name in ("fast", "slow"):
        house.pools[name].end(signal.SIGKILL)
    assert house.http.picture(image["id"]).body == house.model.given[0]
    assert house.http.get("/api/mv/get_character_reference/nobody",
                          ).status == 404
    assert house.http.generate(num_images=1).status == 200


def test_the_number_of_workers_changes_without_a_word_to_nginx(new_house):
    house = new_house(workers={"fast": 1, "slow": 1})
    for workers in (4, 2, 1):
        house.pools["slow"].replace(workers)
        assert len(house.pools["slow"].pids) == workers
        assert house.http.generate(num_images=1).status == 200


def test_nginx_reloads_under_load_without_a_failed_request(new_house):
    house = new_house()
    image = house.http.generate(num_images=1).images()[0]
    with Load(house, image["id"], house.model.given[0]) as load:
        for _ in range(3):
            house.nginx.process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
    assert not load.bad, load.bad[:5]


def slaughter(house, chance: random.Random, rounds: int):
    """Kills a fast and a slow worker at some moment, then replaces both."""
    for _ in range(rounds):
        for name in ("fast", "slow"):
            time.sleep(chance.uniform(0.05, 0.25))
            pool = house.pools[name]
            victim = chance.choice(pool.pids)
            pool.send(victim, signal.SIGKILL)
            assert reap(victim) in (-signal.SIGKILL, 0)
            pool.replace(3)


@pytest.mark.parametrize("gets, posts, rounds", [
    (1000, 50, 4),
    pytest.param(20000, 1000, 100, marks=pytest.mark.soak)])
def test_chaos_leaves_every_acknowledged_image_served(new_house, gets, posts,
                                                      rounds):
    house = new_house(workers={"fast": 3, "lookup": 1, "slow": 3})
    image = house.http.generate(num_images=1).images()[0]
    data = house.model.given[0]
    house.model.otherwise = draw(delay=0.02)
    kept: list[tuple[str, bytes]] = []
    lost: list[int] = []

    def get(_):
        image_id, wanted = random.choice(kept) if kept else (image["id"],
                                                             data)
        reply = house.http.picture(image_id)
        return (reply.status, reply.body == wanted)

    def post(number: int):
        reply = house.http.generate(key=f"chaos-{number}", num_images=1)
        if reply.status == 200:
            kept.append((reply.images()[0]["id"], reply.pictures()[0]))
        else:
            lost.append(reply.status)
            reply.error()

    killer = threading.Thread(
        target=slaughter, args=(house, random.Random(7), rounds))
    killer.start()
    with ThreadPoolExecutor(4) as readers, ThreadPoolExecutor(3) as writers:
        posted = [writers.submit(post, n) for n in range(posts)]
        seen = list(readers.map(get, range(gets)))
        for one in posted:
            one.result()
    killer.join()
    assert seen == [(200, True)] * gets, [s for s in seen if s != (200, True)]
    assert len(kept) >= posts // 2, lost
    assert set(lost) <= {502}, lost
    for image_id, wanted in kept:
        assert house.http.picture(image_id).body == wanted
    for number in range(posts):
        reply = house.http.generate(key=f"chaos-{number}", num_images=1)
        assert reply.status in (200, 409), reply.body
    assert house.model.paid() <= posts + 1, "something was paid twice"
    house.must_be_whole()


def test_a_worker_killed_while_idle_takes_no_request_with_it(new_house):
    house = new_house(workers={"fast": 3, "lookup": 0, "slow": 1})
    image = house.http.generate(num_images=1).images()[0]
    for pid in list(house.pools["fast"].pids)[:2]:
        house.pools["fast"].send(pid, signal.SIGKILL)
        for _ in range(20):
            assert house.http.picture(image["id"]).status == 200
            assert house.http.get("/healthz").status == 200
    for pid in house.pools["fast"].retired:
        kill(pid, signal.SIGKILL)
