// Asks a server that answers by lines, and is content if the answer begins as it should.
#include "probelet.h"

verdict *check(void) {
    double port = config_number("port", 0);
    if (port < 1 || port > 65535) return cannot_check("the configuration lacks the `port`, such as 6379");

    connection *server = tcp_connect(pod_address(), (uint16_t)port);
    if (!server || !tcp_send(server, config_text("send", ""))) return failed();
    const char *answer = tcp_line(server);
    if (!answer) return failed();

    const char *expected = config_text("expect", "");
    if (strncmp(answer, expected, strlen(expected)) != 0) return unhealthy("it answered `%s`", answer);
    return with_text(healthy("it answers"), "answer", answer);
}
