// What a check in C is written with. Nothing has to be freed: each run is a fresh instance, and all of it goes with it.
// The whole contract, with the container's statistics, logs, files and commands, is in plugin.h.
#ifndef PROBELET_H
#define PROBELET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "plugin.h"

// Verdicts. The texts are formats, as printf has them.
typedef struct verdict verdict;
__attribute__((format(printf, 1, 2))) verdict *healthy(const char *message, ...);
__attribute__((format(printf, 1, 2))) verdict *degraded(const char *message, ...);
__attribute__((format(printf, 1, 2))) verdict *unhealthy(const char *message, ...);
// The check itself could not be done: it counts neither for nor against the container.
__attribute__((format(printf, 1, 2))) verdict *cannot_check(const char *message, ...);

// Fields of a verdict, for the history and the metrics; at most 32.
verdict *with_text(verdict *verdict, const char *name, const char *value);
verdict *with_number(verdict *verdict, const char *name, double value);
verdict *with_flag(verdict *verdict, const char *name, bool value);

// Members of the configuration in the manifest, and what they are if they are not there.
const char *config_text(const char *name, const char *otherwise);
double config_number(const char *name, double otherwise);
bool config_flag(const char *name, bool otherwise);
// All of it: an object in JSON.
const char *config_json(void);

// The pod's address; empty if it has none yet.
const char *pod_address(void);
// How much of the run's time is left, in milliseconds.
uint64_t time_left(void);
// A number that the last run has left, and leaving one to the next.
double state_number(double otherwise);
void set_state_number(double value);

// A TCP connection. All of these wait until the run's time is over and no longer; after NULL or false, failure() says why.
typedef struct connection connection;
connection *tcp_connect(const char *host, uint16_t port);
bool tcp_send(connection *connection, const char *text);
// The next line, without its end: at most 4095 bytes.
char *tcp_line(connection *connection);
void tcp_close(connection *connection);
const char *failure(void);
// The verdict after NULL or false: unhealthy, or that the check could not be done if the manifest does not grant it.
verdict *failed(void);

// The status of a GET request over HTTP/1.0, from 100 to 599, and the first 64 KiB of the body; 0 if there is no response.
int http_get(const char *host, uint16_t port, const char *path, char **body);

#ifdef PROBELET_HOOK
// The hook: NULL if it has been done, else why not.
const char *run(void);
#else
// The check.
verdict *check(void);
#endif

#endif
