#include "probelet.h"

#include <stdarg.h>
#include <stdlib.h>

// The longest message and the longest line.
enum { TEXT = 4096, BODY = 64 * 1024, FIELDS = 32 };

static char last_failure[TEXT];
static const char not_granted[] = "not granted";
// Whether the last failure is for want of a grant.
static bool is_refused;

const char *failure(void) { return last_failure; }

static void *fail(const char *what, const char *why) {
    snprintf(last_failure, sizeof last_failure, "%s: %s", what, why);
    is_refused = why == not_granted;
    return NULL;
}

static char *copy(const uint8_t *text, size_t length) {
    char *result = malloc(length + 1);
    memcpy(result, text, length);
    result[length] = 0;
    return result;
}

// How many bytes the character has that begins here; 0 if it is none in UTF-8.
static size_t character(const uint8_t *at, size_t left) {
    if (at[0] < 0x80) return 1;
    size_t length = at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : at[0] < 0xF5 ? 4 : 0;
    if (length == 0 || length > left) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    // What is written longer than it need be, halves of surrogates, and what lies beyond the last character.
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F)) return 0;
    if ((at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F)) return 0;
    return length;
}

// Gives the host a text. It takes UTF-8 alone, and servers send other things as well: those become question marks.
static void give(plugin_string_t *to, const char *text) {
    plugin_string_dup(to, text);
    for (size_t at = 0, length; at < to->len; at += length ? length : 1) {
        length = character(to->ptr + at, to->len - at);
        if (length == 0) to->ptr[at] = '?';
    }
}

// Verdicts.

struct verdict {
    // Or -1, if the check could not be done.
    int health;
    char message[TEXT];
    probelet_plugin_types_field_t fields[FIELDS];
    size_t count;
};

static verdict *make_verdict(int health, const char *message, va_list arguments) {
    verdict *result = calloc(1, sizeof *result);
    result->health = health;
    vsnprintf(result->message, sizeof result->message, message, arguments);
    return result;
}

#define VERDICT(name, health)                                       \
    verdict *name(const char *message, ...) {                       \
        va_list arguments;                                          \
        va_start(arguments, message);                               \
        verdict *result = make_verdict(health, message, arguments); \
        va_end(arguments);                                          \
        return result;                                              \
    }

VERDICT(healthy, PROBELET_PLUGIN_TYPES_HEALTH_HEALTHY)
VERDICT(degraded, PROBELET_PLUGIN_TYPES_HEALTH_DEGRADED)
VERDICT(unhealthy, PROBELET_PLUGIN_TYPES_HEALTH_UNHEALTHY)
VERDICT(cannot_check, -1)

verdict *failed(void) { return is_refused ? cannot_check("%s", failure()) : unhealthy("%s", failure()); }

static probelet_plugin_types_value_t *add(verdict *verdict, const char *name, uint8_t tag) {
    static probelet_plugin_types_value_t surplus;
    if (verdict->count == FIELDS) return &surplus;
    probelet_plugin_types_field_t *field = &verdict->fields[verdict->count++];
    give(&field->name, name);
    field->value.tag = tag;
    return &field->value;
}

verdict *with_text(verdict *verdict, const char *name, const char *value) {
    give(&add(verdict, name, PROBELET_PLUGIN_TYPES_VALUE_TEXT)->val.text, value);
    return verdict;
}

verdict *with_number(verdict *verdict, const char *name, double value) {
    add(verdict, name, PROBELET_PLUGIN_TYPES_VALUE_NUMBER)->val.number = value;
    return verdict;
}

verdict *with_flag(verdict *verdict, const char *name, bool value) {
    add(verdict, name, PROBELET_PLUGIN_TYPES_VALUE_FLAG)->val.flag = value;
    return verdict;
}

// What the host calls.

#ifdef PROBELET_HOOK
bool exports_probelet_plugin_hook_run(plugin_string_t *error) {
    const char *reason = run();
    if (reason) give(error, reason);
    return !reason;
}
#else
bool exports_probelet_plugin_probe_check(exports_probelet_plugin_probe_verdict_t *result, plugin_string_t *error) {
    verdict *found = check();
    if (found->health < 0) {
        give(error, found->message);
        return false;
    }
    result->health = (uint8_t)found->health;
    give(&result->message, found->message);
    // The list is freed after the call, so it has to be allocated by itself.
    size_t size = found->count * sizeof *found->fields;
    result->fields.ptr = size ? memcpy(malloc(size), found->fields, size) : NULL;
    result->fields.len = found->count;
    return true;
}
#endif

// The configuration: the host has checked that it is an object in JSON, so this only has to find its way in it.

static const char *skip_space(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') at++;
    return at;
}

static const char *skip_text(const char *at) {
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1]) at++;
    return *at ? at + 1 : at;
}

static const char *skip_value(const char *at) {
    int depth = 0;
    do {
        if (*at == '"') {
            at = skip_text(at);
            continue;
        }
        if (depth == 0 && (*at == ',' || *at == '}' || *at == ']')) break;
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        if (*at) at++;
    } while (*at && (depth > 0 || (*at != ',' && *at != '}' && *at != ']')));
    return at;
}

static char *put_character(char *to, unsigned long code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

static unsigned long hexadecimal(const char *at) {
    char digits[5] = {at[0], at[1], at[2], at[3], 0};
    return strtoul(digits, NULL, 16);
}

// The text that begins at a quotation mark. What is escaped never takes more room than its escape.
static char *parse_text(const char *at) {
    const char *end = skip_text(at);
    char *result = malloc((size_t)(end - at) + 1), *to = result;
    for (at++; at < end - 1; at++) {
        static const char escaped[] = "bfnrt", meant[] = "\b\f\n\r\t";
        const char *known;
        if (*at != '\\') {
            *to++ = *at;
        } else if (*++at != 'u') {
            known = strchr(escaped, *at);
            *to++ = known ? meant[known - escaped] : *at;
        } else {
            unsigned long code = hexadecimal(at + 1);
            at += 4;
            if (code >= 0xD800 && code < 0xDC00 && at[1] == '\\' && at[2] == 'u') {
                code = 0x10000 + ((code - 0xD800) << 10) + (hexadecimal(at + 3) - 0xDC00);
                at += 6;
            }
            to = put_character(to, code);
        }
    }
    *to = 0;
    return result;
}

const char *config_json(void) {
    static char *config;
    if (!config) {
        plugin_string_t text;
        probelet_plugin_context_config(&text);
        config = copy(text.ptr, text.len);
    }
    return config;
}

// Where the value of a member begins; NULL if there is no such member.
static const char *member(const char *name) {
    const char *at = skip_space(config_json());
    if (*at == '{') at++;
    for (at = skip_space(at); *at == '"'; at = skip_space(at)) {
        const char *value = skip_space(skip_text(at));
        value = skip_space(*value == ':' ? value + 1 : value);
        if (strcmp(parse_text(at), name) == 0) return value;
        at = skip_space(skip_value(value));
        if (*at == ',') at++;
    }
    return NULL;
}

const char *config_text(const char *name, const char *otherwise) {
    const char *value = member(name);
    return value && *value == '"' ? parse_text(value) : otherwise;
}

double config_number(const char *name, double otherwise) {
    const char *value = member(name);
    char *end = NULL;
    double number = value ? strtod(value, &end) : otherwise;
    return end == value ? otherwise : number;
}

bool config_flag(const char *name, bool otherwise) {
    const char *value = member(name);
    if (value && strncmp(value, "true", 4) == 0) return true;
    return value && strncmp(value, "false", 5) == 0 ? false : otherwise;
}

// The context and the state.

const char *pod_address(void) {
    plugin_string_t address;
    return probelet_plugin_context_address(&address) ? copy(address.ptr, address.len) : "";
}

uint64_t time_left(void) { return probelet_plugin_context_time_left() / 1000000; }

double state_number(double otherwise) {
    plugin_list_u8_t content;
    if (!probelet_plugin_state_get(&content)) return otherwise;
    char *text = copy(content.ptr, content.len), *end;
    double number = strtod(text, &end);
    return end == text ? otherwise : number;
}

void set_state_number(double value) {
    char text[64];
    int length = snprintf(text, sizeof text, "%.17g", value);
    plugin_list_u8_t content = {(uint8_t *)text, (size_t)length};
    plugin_string_t error;
    probelet_plugin_state_set(&content, &error);
}

// Connections.

struct connection {
    wasi_sockets_tcp_own_tcp_socket_t socket;
    wasi_io_streams_own_input_stream_t input;
    wasi_io_streams_own_output_stream_t output;
    // What has been read and not been taken yet.
    char buffer[TEXT];
    size_t filled;
};

static const char *const reasons[] = {
    "unknown error", not_granted, "not supported", "invalid argument", "out of memory", "timed out",
    "another operation is under way", "nothing is under way", "not ready", "invalid state", "too many sockets",
    "address cannot be used", "address in use", "unreachable", "connection refused", "connection reset",
    "connection aborted", "datagram too large", "no such host", "the resolver is busy", "the resolver has failed",
};

static const char *reason(uint8_t code) {
    return code < sizeof reasons / sizeof *reasons ? reasons[code] : reasons[0];
}

// Waits for what is subscribed to. False: the time is over.
static bool await(wasi_io_poll_own_pollable_t pollable) {
    wasi_io_poll_own_pollable_t timer =
        wasi_clocks_monotonic_clock_subscribe_duration(probelet_plugin_context_time_left());
    wasi_io_poll_borrow_pollable_t both[] = {{pollable.__handle}, {timer.__handle}};
    wasi_io_poll_list_borrow_pollable_t list = {both, 2};
    plugin_list_u32_t ready;
    wasi_io_poll_poll(&list, &ready);
    bool in_time = ready.ptr[0] == 0;
    wasi_io_poll_pollable_drop_own(pollable);
    wasi_io_poll_pollable_drop_own(timer);
    return in_time;
}

// The first address of a host; NULL if there is none.
static const char *look_up(const char *host, wasi_sockets_network_borrow_network_t network,
                           wasi_sockets_ip_name_lookup_option_ip_address_t *address) {
    uint8_t error;
    plugin_string_t name = {(uint8_t *)host, strlen(host)};
    wasi_sockets_ip_name_lookup_own_resolve_address_stream_t stream;
    if (!wasi_sockets_ip_name_lookup_resolve_addresses(network, &name, &stream, &error)) return reason(error);
    wasi_sockets_ip_name_lookup_borrow_resolve_address_stream_t borrowed =
        wasi_sockets_ip_name_lookup_borrow_resolve_address_stream(stream);
    const char *why = NULL;
    while (!wasi_sockets_ip_name_lookup_method_resolve_address_stream_resolve_next_address(borrowed, address, &error)) {
        why = reason(error);
        if (error != WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK) break;
        why = "timed out";
        if (!await(wasi_sockets_ip_name_lookup_method_resolve_address_stream_subscribe(borrowed))) break;
        why = NULL;
    }
    wasi_sockets_ip_name_lookup_resolve_address_stream_drop_own(stream);
    if (!why && !address->is_some) why = "no such host";
    return why;
}

static const char *dial(connection *connection, const char *host, uint16_t port) {
    uint8_t error;
    wasi_sockets_network_borrow_network_t network = {wasi_sockets_instance_network_instance_network().__handle};
    wasi_sockets_ip_name_lookup_option_ip_address_t address;
    const char *why = look_up(host, network, &address);
    if (why) return why;
    wasi_sockets_network_ip_socket_address_t remote = {.tag = address.val.tag};
    if (address.val.tag == WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV4) {
        remote.val.ipv4.port = port;
        remote.val.ipv4.address = address.val.val.ipv4;
    } else {
        remote.val.ipv6.port = port;
        remote.val.ipv6.address = address.val.val.ipv6;
    }
    if (!wasi_sockets_tcp_create_socket_create_tcp_socket(address.val.tag, &connection->socket, &error))
        return reason(error);
    wasi_sockets_tcp_borrow_tcp_socket_t socket = wasi_sockets_tcp_borrow_tcp_socket(connection->socket);
    if (!wasi_sockets_tcp_method_tcp_socket_start_connect(socket, network, &remote, &error)) return reason(error);
    wasi_sockets_tcp_tuple2_own_input_stream_own_output_stream_t streams;
    while (!wasi_sockets_tcp_method_tcp_socket_finish_connect(socket, &streams, &error)) {
        if (error != WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK) return reason(error);
        if (!await(wasi_sockets_tcp_method_tcp_socket_subscribe(socket))) return "timed out";
    }
    connection->input = streams.f0;
    connection->output = streams.f1;
    return NULL;
}

connection *tcp_connect(const char *host, uint16_t port) {
    char what[300];
    snprintf(what, sizeof what, "connecting to %s port %u", host, port);
    connection *result = calloc(1, sizeof *result);
    const char *why = dial(result, host, port);
    return why ? fail(what, why) : result;
}

bool tcp_send(connection *connection, const char *text) {
    wasi_io_streams_borrow_output_stream_t output = {connection->output.__handle};
    wasi_io_streams_stream_error_t error;
    for (size_t left = strlen(text); left > 0;) {
        uint64_t room;
        if (!wasi_io_streams_method_output_stream_check_write(output, &room, &error))
            return fail("sending", "the connection is closed");
        if (room == 0) {
            if (!await(wasi_io_streams_method_output_stream_subscribe(output))) return fail("sending", "timed out");
            continue;
        }
        size_t now = left < room ? left : (size_t)room;
        plugin_list_u8_t part = {(uint8_t *)text, now};
        if (!wasi_io_streams_method_output_stream_write(output, &part, &error))
            return fail("sending", "the connection is closed");
        text += now;
        left -= now;
    }
    if (!wasi_io_streams_method_output_stream_flush(output, &error)) return fail("sending", "the connection is closed");
    return true;
}

// Reads what is there, or waits for it: 0 at the end, -1 after a failure.
static int receive(connection *connection, char *to, size_t room) {
    wasi_io_streams_borrow_input_stream_t input = {connection->input.__handle};
    for (;;) {
        plugin_list_u8_t part;
        wasi_io_streams_stream_error_t error;
        if (!wasi_io_streams_method_input_stream_read(input, room, &part, &error)) return 0;
        if (part.len > 0) {
            memcpy(to, part.ptr, part.len);
            return (int)part.len;
        }
        if (!await(wasi_io_streams_method_input_stream_subscribe(input))) {
            fail("waiting for an answer", "timed out");
            return -1;
        }
    }
}

char *tcp_line(connection *connection) {
    for (;;) {
        char *end = memchr(connection->buffer, '\n', connection->filled);
        if (end) {
            size_t length = (size_t)(end - connection->buffer), taken = length + 1;
            if (length > 0 && end[-1] == '\r') length--;
            char *line = copy((uint8_t *)connection->buffer, length);
            connection->filled -= taken;
            memmove(connection->buffer, end + 1, connection->filled);
            return line;
        }
        if (connection->filled == TEXT) return fail("reading a line", "it is too long");
        int read = receive(connection, connection->buffer + connection->filled, TEXT - connection->filled);
        if (read < 0) return NULL;
        if (read == 0) return fail("reading a line", "the connection was closed before its end");
        connection->filled += (size_t)read;
    }
}

void tcp_close(connection *connection) {
    wasi_io_streams_input_stream_drop_own(connection->input);
    wasi_io_streams_output_stream_drop_own(connection->output);
    wasi_sockets_tcp_tcp_socket_drop_own(connection->socket);
}

// The status in the first line of a response; 0 if that is none.
static int status_of(const char *line) {
    int status = 0;
    // One digit more than there may be tells those that have more, and no int is too small for it.
    if (sscanf(line, "HTTP/%*s %4d", &status) != 1) return 0;
    return status >= 100 && status <= 599 ? status : 0;
}

int http_get(const char *host, uint16_t port, const char *path, char **body) {
    char request[TEXT];
    connection *server = tcp_connect(host, port);
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s:%u\r\n\r\n", path, host, port);
    char *line = server && tcp_send(server, request) ? tcp_line(server) : NULL;
    int status = line ? status_of(line) : 0;
    if (line && !status) fail("reading the response", "it is not HTTP");
    while (status && line && *line) line = tcp_line(server);
    if (!status || !line) return 0;
    char *content = malloc(BODY + 1);
    size_t length = server->filled;
    memcpy(content, server->buffer, length);
    for (int read = 1; read > 0 && length < BODY; length += (size_t)read) {
        read = receive(server, content + length, BODY - length);
        if (read < 0) return 0;
    }
    content[length] = 0;
    if (body) *body = content;
    return status;
}
