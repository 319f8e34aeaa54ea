/* A way for packets: a client, a router that forwards, and a server, each a network namespace of this process.
 *
 *   client (every peer's address) --- peers [ router: the ruleset is loaded here ] local --- server (the services)
 *
 * Many can stand side by side. Nothing has a way out of them, and they vanish with the process, whatever ends it. */
#ifndef TESTS_BENCH_PACKETS_PATH_H
#define TESTS_BENCH_PACKETS_PATH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct path {
	int client, router, server; /* fds of namespaces */
};

/* The addresses that a path carries: of peers below 2^20, of services below 2^8. */
struct sockaddr_storage path_peer(int family, uint32_t number);
struct sockaddr_storage path_service(int family, uint32_t number, uint16_t port);

/* Needs root and iproute2. Returns 0, or -1 after a message on stderr. */
int path_make(struct path *path);
void path_finish(struct path *path);

/* Runs a program in a namespace, and waits for it. Returns 0 when it ended well, or -1 after a message on stderr. */
int path_run(int name_space, const char *const *command);

/* A socket of a namespace; the descriptor is the caller's. Negative after a message on stderr. */
int path_socket(int name_space, int family, int type);

#endif
