"""HTTP under the wires: one POST, and what came back. One connection pool for the whole process.

The seam of the wires: a test hands them another `Post`, or a server on loopback.
"""

from __future__ import annotations

import asyncio
import atexit
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

from ...errors import PermanentModelError, ServerUnreachableError, TransientModelError

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response, whole."""

    status: int
    headers: Mapping[str, str]  # case-insensitive
    body: bytes


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. Time in our own queue never counts: the clock starts when the request is sent."""

    connect: float = 10.0
    answer: float = 600.0  # from sending to the last byte


class Post(Protocol):
    """Sends one request. Raises `ServerUnreachableError`, `TransientModelError` or `PermanentModelError`."""

    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts) -> Reply: ...


async def post(url: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts) -> Reply:
    """Send one request over the shared connection pool of this event loop."""
    import aiohttp

    pool = _pool_of(asyncio.get_running_loop())
    try:
        async with pool.session.post(
            pool.url(url),
            data=body,
            headers=headers,
            timeout=pool.timeout(timeouts),
            proxy=pool.proxy(url),
            allow_redirects=False,
        ) as response:
            return Reply(response.status, response.headers, await response.read())
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientProxyConnectionError) as error:
        raise _unreachable(url, error) from error
    except (ssl.SSLCertVerificationError, aiohttp.ClientSSLError) as error:
        if not _for_good(error):
            raise _unreachable(url, error) from error
        raise PermanentModelError(f"The TLS connection to {url} cannot be trusted: {error}") from error
    except aiohttp.ClientConnectorError as error:
        raise _unreachable(url, error) from error
    except TimeoutError as error:
        raise TransientModelError(
            f"{url} did not answer within {timeouts.answer:g} seconds (the model's 'timeout')."
        ) from error
    except aiohttp.InvalidURL as error:
        raise PermanentModelError(f"{url} is not a URL: {error}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise TransientModelError(
            f"The connection to {url} broke before the whole answer was there: {error or type(error).__name__}"
        ) from error


# What a handshake fails with when the next one will fail alike: a certificate, or a server that speaks no TLS. A broken
# connection fails it as well.
_FOR_GOOD = frozenset({"CERTIFICATE_VERIFY_FAILED", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "WRONG_VERSION_NUMBER"})


def _for_good(error: Exception) -> bool:
    reason = getattr(getattr(error, "os_error", None), "reason", None)
    return reason in _FOR_GOOD or reason is None


def _unreachable(url: str, error: Exception) -> ServerUnreachableError:
    address = urlsplit(url)
    return ServerUnreachableError(
        f"No connection to {address.scheme}://{address.netloc}: {error}. "
        "Check base_url, that the server runs and listens there, and the network."
    )


class _Pool:
    """The session of one loop, and what is worth computing once per URL."""

    def __init__(self) -> None:
        import aiohttp

        # The engine bounds what is in flight, so the pool has no bound of its own to queue behind.
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=30, family=socket.AF_UNSPEC)
        self.session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), raise_for_status=False
        )
        self._urls: dict[str, Any] = {}
        self._proxies: dict[str, str | None] = {}
        self._timeouts: dict[Timeouts, aiohttp.ClientTimeout] = {}

    def url(self, url: str) -> Any:
        import yarl

        known = self._urls.get(url)
        if known is None:
            known = self._urls[url] = yarl.URL(url, encoded=True)
        return known

    def timeout(self, timeouts: Timeouts) -> aiohttp.ClientTimeout:
        import aiohttp

        known = self._timeouts.get(timeouts)
        if known is None:
            known = aiohttp.ClientTimeout(total=timeouts.answer, sock_connect=timeouts.connect)
            self._timeouts[timeouts] = known
        return known

    def proxy(self, url: str) -> str | None:
        """The proxy that the environment names for `url`; aiohttp itself would look for it at every request."""
        if url not in self._proxies:
            address = urlsplit(url)
            host = address.hostname or ""
            skip = host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host)
            self._proxies[url] = None if skip else getproxies().get(address.scheme)
        return self._proxies[url]


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()


def _pool_of(loop: asyncio.AbstractEventLoop) -> _Pool:
    pool = _pools.get(loop)
    if pool is None or pool.session.closed:
        pool = _pools[loop] = _Pool()
    return pool


def close_all() -> None:
    """Close every connection. They open again when needed."""
    for loop, pool in list(_pools.items()):
        if loop.is_running():
            try:
                asyncio.run_coroutine_threadsafe(pool.session.close(), loop).result(2.0)
            except (TimeoutError, RuntimeError):
                pass  # the process is ending and its loop no longer turns
    _pools.clear()


atexit.register(close_all)
