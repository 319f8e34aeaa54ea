/* Requests to the Kubernetes API. A token file is read anew for each: the kubelet replaces it about every hour. */
#include "enforcer/sources/kubernetes_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int kubernetes_authorization(const char *path, char *header)
{
	static const char begin[] = "Authorization: Bearer ";
	size_t length = sizeof begin - 1;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	memcpy(header, begin, length);
	while ((got = read(fd, header + length, KUBERNETES_HEADER_SIZE - 1 - length)) > 0)
		length += (size_t)got;
	int error = got < 0 ? -errno : length == KUBERNETES_HEADER_SIZE - 1 ? -EFBIG : 0;
	close(fd);
	while (error == 0 && length >= sizeof begin && strchr("\r\n \t", header[length - 1]) != NULL)
		length--;
	header[length] = 0;
	for (size_t i = sizeof begin - 1; error == 0 && i < length; i++)
		if (header[i] <= ' ' || header[i] > '~')
			error = -EBADMSG; /* it could be another header */
	return error != 0 || length >= sizeof begin ? error : -ENODATA;
}

/* A value of a query (RFC 3986, 2.3). */
static void append(FILE *stream, const char *key, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	fprintf(stream, "&%s=", key);
	for (; *value != 0; value++)
		if (strchr(plain, *value) != NULL)
			fputc(*value, stream);
		else
			fprintf(stream, "%%%02X", (unsigned char)*value);
}

/* The text may end with one more value. */
static char *finish(char *url, const char *key, const char *value)
{
	char *whole = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&whole, &size);
	if (stream == NULL || url == NULL)
		abort();
	fputs(url, stream);
	if (value[0] != 0)
		append(stream, key, value);
	fclose(stream);
	free(url);
	return whole;
}

char *kubernetes_list_url(const char *server, const char *plural, unsigned limit, const char *next)
{
	char *url = NULL;
	if (asprintf(&url, "%s/api/v1/%s?limit=%u", server, plural, limit) < 0)
		abort();
	return finish(url, "continue", next);
}

char *kubernetes_watch_url(const char *server, const char *plural, const char *version, unsigned seconds)
{
	char *url = NULL;
	if (asprintf(&url, "%s/api/v1/%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u", server, plural, seconds) <
	    0)
		abort();
	return finish(url, "resourceVersion", version);
}
