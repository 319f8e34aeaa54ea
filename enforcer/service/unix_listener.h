/* A Unix socket that listens at a path: made over one that a dead process left, and removed at the end. */
#ifndef ENFORCER_SERVICE_UNIX_LISTENER_H
#define ENFORCER_SERVICE_UNIX_LISTENER_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>

struct unix_listener {
	struct sockaddr_un address;
	int fd;	    /* not blocking; -1: none */
	bool bound; /* dev and ino are those of our socket */
	dev_t dev;
	ino_t ino;
};

/* Listens at `path`, whose file has `mode` from the start; the parent directory is made when missing, and a socket on
 * which nobody listens is replaced. `backlog` is how many peers the kernel keeps waiting. Returns 0 or a negative
 * errno: -EADDRINUSE when somebody listens there, -EEXIST when `path` is no socket. The caller ends it with
 * unix_listener_close, also after an error. */
int unix_listener_open(struct unix_listener *listener, const char *path, mode_t mode, int backlog);

/* Removes the socket if it is still ours, and closes it unless `fd` was made -1 by whoever took it over. */
void unix_listener_close(struct unix_listener *listener);

#endif
