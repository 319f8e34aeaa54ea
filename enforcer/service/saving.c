/* A thread for each writing: fsync takes as long as the disk takes, and workloads must not wait for that. The thread
 * knows nothing but its bytes; an eventfd tells the loop that it is through. */
#include "enforcer/service/saving.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct saving {
	const struct state_directory *directory;
	const char *name;
	enum state_kind kind;
	saving_done *done;
	void *context;
	int fd;
	sd_event_source *source;
	bool busy;
	pthread_t thread;
	struct encoded bytes;
	char *error; /* the thread's, until it is joined */
};

static void *write_file(void *context)
{
	struct saving *saving = context;
	const uint64_t one = 1;
	saving->error =
	    state_file_write(saving->directory, saving->name, saving->kind, saving->bytes.bytes, saving->bytes.length);
	if (write(saving->fd, &one, sizeof one) < 0) /* it has room for one */
		abort();
	return NULL;
}

/* The thread has ended, or was never there. */
static void tell(struct saving *saving)
{
	char *error = saving->error;
	saving->busy = false;
	saving->error = NULL;
	encoded_finish(&saving->bytes);
	saving->done(saving->context, error);
}

void saving_wait(struct saving *saving)
{
	uint64_t count;
	if (!saving->busy)
		return;
	pthread_join(saving->thread, NULL);
	if (read(saving->fd, &count, sizeof count) < 0)
		abort();
	tell(saving);
}

static int on_done(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source;
	(void)fd;
	(void)events;
	saving_wait(context);
	return 0;
}

int saving_create(struct saving **saving, sd_event *event, const struct state_directory *directory, const char *name,
		  enum state_kind kind, saving_done *done, void *context)
{
	struct saving *made = calloc(1, sizeof *made);
	if (made == NULL)
		abort();
	*made = (struct saving){directory, name, kind, done, context, eventfd(0, EFD_CLOEXEC), .busy = false};
	int error = made->fd < 0 ? -errno : sd_event_add_io(event, &made->source, made->fd, EPOLLIN, on_done, made);
	if (error < 0) {
		saving_destroy(made);
		return error;
	}
	*saving = made;
	return 0;
}

void saving_destroy(struct saving *saving)
{
	if (saving == NULL)
		return;
	saving_wait(saving);
	sd_event_source_disable_unref(saving->source);
	if (saving->fd >= 0)
		close(saving->fd);
	free(saving);
}

bool saving_is_busy(const struct saving *saving)
{
	return saving->busy;
}

void saving_begin(struct saving *saving, struct encoded bytes)
{
	saving->bytes = bytes;
	saving->busy = true;
	int error = pthread_create(&saving->thread, NULL, write_file, saving);
	if (error == 0)
		return;
	saving->error = state_file_write(saving->directory, saving->name, saving->kind, bytes.bytes, bytes.length);
	tell(saving); /* where no thread may be made, the loop waits */
}
