/* Where the daemon is asked over HTTP: a port of a loopback address or a Unix socket, and nothing that another machine
 * reaches. */
#ifndef ENFORCER_SERVICE_LISTENER_H
#define ENFORCER_SERVICE_LISTENER_H

#include "enforcer/service/unix_listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* An address as the configuration has it. Zeroed: none. */
struct listen_address {
	const char *text; /* as it was written, borrowed: 127.0.0.1:9478, [::1]:9478 or an absolute path */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address; /* any.sa_family is AF_UNIX where `text` is a path */
	socklen_t length;
};

/* Reads `text`, which must outlive the address. Returns NULL, or what is wrong with it, in words. */
const char *listen_address_read(struct listen_address *where, const char *text);

/* A socket that listens there. */
struct listener {
	int fd; /* not blocking; -1: none, or given away */
	struct unix_listener unix_socket;
};

/* Listens at the address; the file of a Unix socket has mode 0660. `backlog` is how many peers the kernel keeps
 * waiting. Returns 0 or a negative errno. The caller ends it with listener_close, also after an error. */
int listener_open(const struct listen_address *where, int backlog, struct listener *listener);

/* Takes the socket out of it, for one who closes it; the file of a Unix socket still goes with listener_close. */
int listener_take(struct listener *listener);

void listener_close(struct listener *listener);

#endif
