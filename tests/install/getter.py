"""GETs a path of port 80 over and over until standard input ends.

Prints JSON: how many were answered with 200, and what became of the others.
"""

import collections
import http.client
import json
import sys
import threading

THREADS = 4
PAUSE_S = 0.002


def get(path, stop, good, bad):
    while not stop.wait(PAUSE_S):
        line = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
        try:
            line.request("GET", path)
            reply = line.getresponse()
            body = reply.read()
            if reply.status == 200 and body:
                good.append(1)
            else:
                bad[f"{reply.status} {body[:200]!r}"] += 1
        except (OSError, http.client.HTTPException) as why:
            bad[repr(why)] += 1
        finally:
            line.close()


def main():
    stop, good, bad = threading.Event(), [], collections.Counter()
    threads = [threading.Thread(target=get,
                                args=(sys.argv[1], stop, good, bad))
               for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"good": len(good), "bad": bad}))


main()
