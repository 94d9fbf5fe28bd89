"""Which of several servers takes a request."""

import threading

from langchain_swallow.engines.protocol import Request
from langchain_swallow.engines.server.protocol import Flavor
from langchain_swallow.engines.server.servers import Servers


def request(part_of=None):
    return Request(prompt_ids=(1, 2), max_tokens=1, part_of=part_of)


async def two_servers():
    async def discover(url):
        return Flavor("m", "vllm")

    servers = Servers(["http://a/v1", "http://b/v1"], discover, max_retries=0)
    await servers.wait_until_known(None)
    assert len(servers.known()) == len(servers) == 2
    return servers


async def test_the_least_busy_server_takes_a_request():
    servers = await two_servers()
    busy = await servers.choose(request(), set())
    busy.running += 1
    assert await servers.choose(request(), set()) is not busy


async def test_an_answer_goes_where_its_thought_was():
    servers = await two_servers()
    whole = threading.Event()  # any object
    first = await servers.choose(request(whole), set())
    first.running += 5
    assert await servers.choose(request(whole), set()) is first
    other = await servers.choose(request(whole), {first})
    assert other is not first
    # The server that did not fail has the prefix from now on.
    other.running += 9
    assert await servers.choose(request(whole), set()) is other
