// Tells a server, by a line, that the container has started or is to stop, and waits for its answer.
#include "probelet.h"

const char *run(void) {
    double port = config_number("port", 0);
    if (port < 1 || port > 65535) return "the configuration lacks the `port`, such as 6379";

    connection *server = tcp_connect(pod_address(), (uint16_t)port);
    if (!server || !tcp_send(server, config_text("send", ""))) return failure();
    return tcp_line(server) ? NULL : failure();
}
