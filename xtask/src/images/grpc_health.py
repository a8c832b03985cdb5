"""gRPC's health service, on port 5000, by gRPC's own library.

What it says of a service stands in the file /health/SERVICE, of the whole server in /health/server: a status of the
protocol, or HANGS. With the argument `none` there is no such service; with `tls` it wants TLS, by the key and the
certificate in /tls; one with a colon is the address that it listens on.
"""

import signal
import sys
import threading
from concurrent import futures

import grpc

STATUSES = {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2, "SERVICE_UNKNOWN": 3}


def check(request, context):
    # The request is empty, or a tag, the length and the name; the answer a tag and the status.
    service = request[2:].decode() or "server"
    try:
        with open(f"/health/{service}") as file:
            word = file.read().strip()
    except FileNotFoundError:
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    if word == "HANGS":
        threading.Event().wait()
    return bytes([8, STATUSES[word]])


server = grpc.server(futures.ThreadPoolExecutor(max_workers=100))
if "none" not in sys.argv:
    methods = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    health = grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)
    server.add_generic_rpc_handlers((health,))
address = next((word for word in sys.argv[1:] if ":" in word), "0.0.0.0:5000")
if "tls" in sys.argv:
    pair = tuple(open(f"/tls/{name}.pem", "rb").read() for name in ("key", "certificate"))
    server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
else:
    server.add_insecure_port(address)
server.start()
signal.sigwait({signal.SIGTERM})
server.stop(None)
# Calls that hang would keep it.
sys.stdout.flush()
signal.raise_signal(signal.SIGKILL)
