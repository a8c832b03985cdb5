"""What a check in Python is written with. The whole contract, with the container's statistics, logs, files and commands, is
in `wit_world.imports`; wit/deps/probelet.wit tells of it."""

import json

from componentize_py_types import Err
from wit_world.imports import context, instance_network, ip_name_lookup, monotonic_clock, network, poll, state
from wit_world.imports import tcp_create_socket, types

# The longest line and the longest body.
LINE = 4096
BODY = 64 * 1024


def healthy(message="", **fields):
    """The container is well. Fields are texts, numbers or flags, for the history and the metrics; at most 32."""
    return _verdict(types.Health.HEALTHY, message, fields)


def degraded(message, **fields):
    """It is not at its best: it counts as healthy, but the message is shown."""
    return _verdict(types.Health.DEGRADED, message, fields)


def unhealthy(message, **fields):
    """It is not well."""
    return _verdict(types.Health.UNHEALTHY, message, fields)


def cannot_check(reason):
    """Ends the run: the check itself could not be done, which counts neither for nor against the container."""
    raise Err(str(reason))


# A hook has nothing to say but that it could not be done.
cannot_do = cannot_check


def _verdict(health, message, fields):
    return types.Verdict(health, str(message), [types.Field(name, _value(value)) for name, value in fields.items()])


def _value(value):
    if isinstance(value, bool):
        return types.Value_Flag(value)
    if isinstance(value, (int, float)):
        return types.Value_Number(float(value))
    return types.Value_Text(str(value))


def config():
    """The configuration in the manifest, as a dict."""
    return json.loads(context.config())


def pod_address():
    """The pod's address; empty if it has none yet."""
    return context.address() or ""


def time_left():
    """How much of the run's time is left, in seconds."""
    return context.time_left() / 1e9


def saved(otherwise=None):
    """What the last run has left with `save`."""
    content = state.get()
    return otherwise if content is None else json.loads(content)


def save(value):
    """Leaves something to the next run: anything that JSON can say, at most 64 KiB of it."""
    state.set(json.dumps(value).encode())


class Failed(Exception):
    """A connection that could not be made or has broken; its text says how."""


def _wait(pollable):
    timer = monotonic_clock.subscribe_duration(context.time_left())
    with pollable, timer:
        if 0 not in poll.poll([pollable, timer]):
            raise Failed("timed out")


def _retry(operation, resource):
    """Calls until the answer is another than that it is too early for one."""
    while True:
        try:
            return operation()
        except Err as error:
            if error.value != network.ErrorCode.WOULD_BLOCK:
                raise
        _wait(resource.subscribe())


class Connection:
    """A TCP connection. Its methods wait until the run's time is over and no longer, and raise `Failed`."""

    def __init__(self, host, port):
        if not 1 <= port <= 65535:
            cannot_check(f"connecting to {host} port {port}: there is no such port")
        try:
            self._connect(host, port)
        except Err as error:
            if error.value == network.ErrorCode.ACCESS_DENIED:
                cannot_check(f"connecting to {host} port {port}: not granted")
            reason = error.value.name.lower().replace("_", " ")
            raise Failed(f"connecting to {host} port {port}: {reason}") from None
        except Failed as error:
            raise Failed(f"connecting to {host} port {port}: {error}") from None
        self._buffer = b""

    def _connect(self, host, port):
        net = instance_network.instance_network()
        names = ip_name_lookup.resolve_addresses(net, host)
        address = _retry(names.resolve_next_address, names)
        if address is None:
            raise Failed("no such host")
        if isinstance(address, network.IpAddress_Ipv4):
            family = network.IpAddressFamily.IPV4
            remote = network.IpSocketAddress_Ipv4(network.Ipv4SocketAddress(port, address.value))
        else:
            family = network.IpAddressFamily.IPV6
            remote = network.IpSocketAddress_Ipv6(network.Ipv6SocketAddress(port, 0, address.value, 0))
        self._socket = tcp_create_socket.create_tcp_socket(family)
        self._socket.start_connect(net, remote)
        self._input, self._output = _retry(self._socket.finish_connect, self._socket)

    def send(self, data):
        """Sends a text or bytes."""
        data = data.encode() if isinstance(data, str) else data
        try:
            while data:
                room = self._output.check_write()
                if room == 0:
                    _wait(self._output.subscribe())
                self._output.write(data[:room])
                data = data[room:]
            self._output.flush()
        except Err:
            raise Failed("sending: the connection is closed") from None

    def receive(self, limit=LINE):
        """The next bytes, at most so many; none at the end."""
        if self._buffer:
            part, self._buffer = self._buffer[:limit], self._buffer[limit:]
            return part
        while True:
            try:
                part = self._input.read(limit)
            except Err:
                return b""
            if part:
                return part
            try:
                _wait(self._input.subscribe())
            except Failed as error:
                raise Failed(f"waiting for an answer: {error}") from None

    def line(self):
        """The next line as a text, without its end."""
        read = b""
        while b"\n" not in read:
            part = self.receive()
            if not part:
                raise Failed("reading a line: the connection was closed before its end")
            read += part
            if len(read) > LINE:
                raise Failed("reading a line: it is too long")
        line, self._buffer = read.split(b"\n", 1)
        return line.rstrip(b"\r").decode(errors="replace")


def http_get(host, port, path):
    """The status of a GET request over HTTP/1.0, and the first 64 KiB of the body."""
    server = Connection(host, port)
    server.send(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n")
    words = server.line().split()
    status = words[1] if len(words) > 1 and words[0].startswith("HTTP/") else ""
    if len(status) != 3 or not status.isdecimal() or not 100 <= int(status) <= 599:
        raise Failed("reading the response: it is not HTTP")
    while server.line():
        pass
    body = b""
    while len(body) < BODY and (part := server.receive(BODY - len(body))):
        body += part
    return int(status), body
