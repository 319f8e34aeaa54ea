/* What a request to the Kubernetes API is made of: its URL, and the token that says who asks. */
#ifndef ENFORCER_SOURCES_KUBERNETES_REQUEST_H
#define ENFORCER_SOURCES_KUBERNETES_REQUEST_H

#include <stddef.h>

enum { KUBERNETES_HEADER_SIZE = 1 << 16 };

/* Reads a file with a token into a header of KUBERNETES_HEADER_SIZE bytes. Returns 0 or a negative errno: -EBADMSG for
 * bytes that no token has, -ENODATA for an empty file. */
int kubernetes_authorization(const char *path, char *header);

/* The URLs of a page of a list (`next` is what the page before calls `continue`; empty: the first), and of a watch. The
 * caller frees them. */
char *kubernetes_list_url(const char *server, const char *plural, unsigned limit, const char *next);
char *kubernetes_watch_url(const char *server, const char *plural, const char *version, unsigned seconds);

#endif
