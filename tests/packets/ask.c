/* Asks a daemon's control socket, as `ringfence` does, and prints the answer: for scenarios that ask until something is
 * so, and for which a start of the sanitized `ringfence` is most of what they compute.
 *
 *     ask SOCKET COMMAND
 *
 * Exit status: 0 there was an answer, 1 there was none. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "ask: ");
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = 5};
	char request[256], bytes[65536];
	size_t all = 0;
	ssize_t got;
	if (argc != 3 || strlen(argv[1]) >= sizeof address.sun_path || strlen(argv[2]) > 64) {
		fprintf(stderr, "usage: ask SOCKET COMMAND\n");
		return 1;
	}
	strcpy(address.sun_path, argv[1]);
	int length = snprintf(request, sizeof request, "{\"command\":\"%s\"}\n", argv[2]);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0)
		return fail("socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		return fail(argv[1]);
	if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length)
		return fail("send");
	for (; (got = recv(fd, bytes, sizeof bytes, 0)) > 0; all += (size_t)got)
		fwrite(bytes, 1, (size_t)got, stdout);
	if (got < 0)
		return fail("recv");
	return all == 0 || fflush(stdout) != 0;
}
