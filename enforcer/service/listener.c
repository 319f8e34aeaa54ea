/* A text to a loopback address, and a socket that listens there. Names are not looked up: what `localhost` is, a file
 * or another machine says. */
#include "enforcer/service/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_SIZE = INET6_ADDRSTRLEN };

static const char not_loopback[] =
    "only a loopback address is listened on, 127.0.0.1 or [::1], or a Unix socket: what is "
    "told there is not encrypted, and nobody is asked who he is";

/* A port from 1 on, in decimal digits alone; 0: it is none. */
static uint16_t port_of(const char *text)
{
	size_t length = strspn(text, "0123456789");
	if (length == 0 || length > 5 || text[length] != 0 || text[0] == '0')
		return 0;
	long port = strtol(text, NULL, 10);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* ADDRESS:PORT or [ADDRESS]:PORT, cut in two. Returns false where it is neither. */
static bool split(const char *text, char host[HOST_SIZE], const char **port)
{
	bool bracket = text[0] == '[';
	const char *start = text + bracket, *end = bracket ? strchr(start, ']') : strchr(start, ':');
	if (end == NULL || (size_t)(end - start) >= HOST_SIZE || (bracket && end[1] != ':'))
		return false;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = 0;
	*port = end + 1 + bracket;
	return true;
}

static const char *read_path(struct listen_address *where, const char *text)
{
	if (strlen(text) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return "the path of a Unix socket has at most 107 bytes";
	where->address.any.sa_family = AF_UNIX;
	return NULL;
}

static const char *read_v4(struct listen_address *where, const struct in_addr *address, uint16_t port)
{
	if (ntohl(address->s_addr) >> 24 != 127)
		return not_loopback;
	where->address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = *address};
	where->length = sizeof where->address.v4;
	return NULL;
}

static const char *read_v6(struct listen_address *where, const struct in6_addr *address, uint16_t port)
{
	if (!IN6_IS_ADDR_LOOPBACK(address))
		return not_loopback;
	where->address.v6 =
	    (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *address};
	where->length = sizeof where->address.v6;
	return NULL;
}

const char *listen_address_read(struct listen_address *where, const char *text)
{
	char host[HOST_SIZE];
	const char *port_text;
	struct in_addr v4;
	struct in6_addr v6;
	*where = (struct listen_address){.text = text};
	if (text[0] == '/')
		return read_path(where, text);
	if (!split(text, host, &port_text))
		return "expected 127.0.0.1:PORT, [::1]:PORT or the absolute path of a Unix socket";
	uint16_t port = port_of(port_text);
	if (port == 0)
		return "a port is a number from 1 to 65535";
	if (text[0] == '[' && inet_pton(AF_INET6, host, &v6) == 1)
		return read_v6(where, &v6, port);
	if (text[0] != '[' && inet_pton(AF_INET, host, &v4) == 1)
		return read_v4(where, &v4, port);
	return "expected an address, 127.0.0.1 or [::1]; names are not looked up";
}

/* SO_REUSEADDR: a daemon that starts again does not wait for connections of the one before to be forgotten; it lets
 * nobody take a port that is listened on. */
static int listen_inet(const struct listen_address *where, int backlog, struct listener *listener)
{
	const int on = 1;
	listener->fd = socket(where->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0 || setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(listener->fd, &where->address.any, where->length) != 0 || listen(listener->fd, backlog) != 0)
		return -errno;
	return 0;
}

int listener_open(const struct listen_address *where, int backlog, struct listener *listener)
{
	*listener = (struct listener){.fd = -1, .unix_socket.fd = -1};
	if (where->address.any.sa_family != AF_UNIX)
		return listen_inet(where, backlog, listener);
	int error = unix_listener_open(&listener->unix_socket, where->text, 0660, backlog);
	listener->fd = listener->unix_socket.fd;
	listener->unix_socket.fd = -1;
	return error;
}

int listener_take(struct listener *listener)
{
	int fd = listener->fd;
	listener->fd = -1;
	return fd;
}

void listener_close(struct listener *listener)
{
	unix_listener_close(&listener->unix_socket);
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
}
