"""Runs every command group that a version of kv knows through redis-py, and checks that it refuses the others.

Usage: kv.py PORT VERSION PROTOCOL. Leaves keys behind that the next run, after a switch, checks.
"""

import sys
import time

import redis

port, version, protocol = map(int, sys.argv[1:])
client = redis.Redis(port=port, protocol=protocol, decode_responses=True)


def refuses(word, call, *args, **options):
    try:
        reply = call(*args, **options)
    except redis.ResponseError as error:
        assert word in str(error), error
    else:
        raise AssertionError(f"{call.__name__} gave {reply!r}")


def connection():
    assert client.ping()
    assert client.echo("hello") == "hello"
    assert client.client_setname("tester") and client.client_getname() == "tester"
    assert client.info()["redis_version"] == "7.0.0"
    assert client.config_get("save") == {"save": ""}
    assert client.select(0)
    refuses("out of range", client.select, 7)


def strings():
    client.delete("a", "b", "c", "n", "none")
    assert client.get("none") is None
    assert client.set("a", "x")
    assert client.append("a", "yz") == 3 and client.strlen("a") == 3 and client.get("a") == "xyz"
    refuses("not an integer", client.incr, "a")
    assert [client.incr("n"), client.incrby("n", 9), client.decr("n")] == [1, 10, 9]
    assert client.mset({"b": "1", "c": "2"}) and client.mget("b", "none", "c") == ["1", None, "2"]
    assert client.exists("a", "b", "none") == 2
    assert {"a", "b", "c"} <= set(client.keys("?")) and set(client.scan_iter("[bc]")) == {"b", "c"}
    assert client.dbsize() >= 4
    data = bytes(range(256))
    assert client.set("binary", data) and redis.Redis(port=port, protocol=protocol).get("binary") == data
    assert client.delete("a", "b", "c", "none") == 3


def pipelines():
    client.delete("p")
    with client.pipeline(transaction=False) as pipe:
        for _ in range(1000):
            pipe.incr("p")
        assert pipe.execute() == list(range(1, 1001))
    with client.pipeline(transaction=True) as pipe:
        assert pipe.set("p", 1).incr("p").get("p").get("none").execute() == [True, 2, "2", None]
    with client.pipeline(transaction=True) as pipe:
        pipe.incr("p").append("p", "x").incr("p").get("p")
        first, second, third, fourth = pipe.execute(raise_on_error=False)
        assert (first, second, fourth) == (3, 2, "3x") and isinstance(third, redis.ResponseError)


def expiry():
    assert client.set("e", "x") and client.ttl("e") == -1 and client.ttl("none") == -2
    assert client.expire("e", 100) and client.ttl("e") == 100 and 99_000 < client.pttl("e") <= 100_000
    assert client.set("e", "y", keepttl=True) and client.ttl("e") == 100
    assert client.persist("e") and client.ttl("e") == -1
    assert client.set("e", "z", nx=True) is None and client.set("none", "z", xx=True) is None
    assert client.setex("e", 100, "x") and client.ttl("e") == 100
    assert client.set("e", "x", ex=50) and client.ttl("e") == 50
    assert client.set("e", "x", px=50_000) and client.ttl("e") == 50
    assert client.pexpire("e", 1)
    until = time.monotonic() + 5
    while client.exists("e"):
        assert time.monotonic() < until
    refuses("invalid expire", client.setex, "e", 0, "x")


def collections():
    client.delete("l", "s", "h")
    assert client.lpush("l", "b", "a") == 2 and client.rpush("l", "c", "d") == 4
    assert client.lrange("l", 0, -1) == ["a", "b", "c", "d"] and client.llen("l") == 4
    assert client.lpop("l") == "a" and client.rpop("l") == "d" and client.lpop("l", 9) == ["b", "c"]
    assert client.lpop("l") is None and client.exists("l") == 0
    assert client.sadd("s", "a", "b", "a") == 2 and client.scard("s") == 2
    assert set(client.smembers("s")) == {"a", "b"} and client.sismember("s", "a")
    assert client.srem("s", "a") == 1 and client.spop("s") == "b" and client.exists("s") == 0
    assert client.hset("h", mapping={"f": "1", "g": "2"}) == 2 and client.hget("h", "f") == "1"
    assert client.hgetall("h") == {"f": "1", "g": "2"} and client.hdel("h", "g") == 1 and client.hlen("h") == 1
    assert client.hget("h", "none") is None
    assert client.type("h") == "hash" and client.type("none") == "none"
    refuses("WRONGTYPE", client.execute_command, "GET", "h")
    refuses("WRONGTYPE", client.lpush, "h", "x")
    client.delete("h")


def across():
    """What runs at other versions left is there; a list stays in use at any version."""
    turns = client.incr("turns")
    assert client.append("trail", "x") == turns
    if version == 3 or client.exists("kept"):
        assert client.rpush("kept", turns) >= 1 and client.lrange("kept", -1, -1) == [str(turns)]


connection()
strings()
pipelines()
if version >= 2:
    expiry()
else:
    refuses("unknown command", client.ttl, "turns")
if version >= 3:
    collections()
else:
    refuses("unknown command", client.lpush, "fresh", "x")
across()
