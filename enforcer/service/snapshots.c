/* A file for each, called policy-NUMBER:
 *
 *     revision, left, passed over: texts | since 8 | cause 1 | root length 4 | count 4 | for each file: name, content:
 * texts
 *
 * where a text is its length in 4 bytes and its bytes, and numbers are little-endian. */
#include "enforcer/service/snapshots.h"

#include <ringfence/arena.h>
#include <ringfence/frontend.h>

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_PREFIX "policy-"
#define REVISION_MOST (sizeof(((struct snapshot *)NULL)->revision) - 1)

const char *const snapshot_causes[SNAPSHOT_CAUSES] = {
    [BY_DIRECTORY] = "directory",
    [BY_ROLLBACK] = "rollback",
    [BY_NO_CONFIRMATION] = "unconfirmed",
    [BY_DENIALS] = "denials",
};

/* ---- bytes ---- */

static void put_number(FILE *to, uint64_t number, size_t size)
{
	number = htole64(number);
	fwrite(&number, size, 1, to);
}

static void put_text(FILE *to, const char *text, size_t length)
{
	put_number(to, length, 4);
	fwrite(text, 1, length, to);
}

static void put_string(FILE *to, const char *text)
{
	put_text(to, text, strlen(text));
}

struct reading {
	const uint8_t *at;
	size_t left;
	bool wrong;
};

static const uint8_t *take(struct reading *from, size_t length)
{
	if (from->wrong || length > from->left) {
		from->wrong = true;
		return NULL;
	}
	const uint8_t *bytes = from->at;
	from->at += length;
	from->left -= length;
	return bytes;
}

static uint64_t get_number(struct reading *from, size_t size)
{
	uint64_t number = 0;
	const uint8_t *bytes = take(from, size);
	if (bytes != NULL)
		memcpy(&number, bytes, size);
	return le64toh(number);
}

/* Borrowed from what is read. */
static const char *get_text(struct reading *from, size_t most, size_t *length)
{
	*length = get_number(from, 4);
	const uint8_t *bytes = *length <= most ? take(from, *length) : NULL;
	from->wrong = from->wrong || bytes == NULL;
	*length = bytes != NULL ? *length : 0;
	return bytes != NULL ? (const char *)bytes : "";
}

static void get_revision(struct reading *from, char revision[17])
{
	size_t length;
	const char *text = get_text(from, REVISION_MOST, &length);
	memcpy(revision, text, length);
	revision[length] = 0;
}

static void get_head(struct reading *from, struct snapshot *snapshot)
{
	get_revision(from, snapshot->revision);
	get_revision(from, snapshot->left);
	get_revision(from, snapshot->passed_over);
	snapshot->since = (int64_t)get_number(from, 8);
	uint64_t cause = get_number(from, 1);
	from->wrong = from->wrong || cause >= SNAPSHOT_CAUSES;
	snapshot->cause = from->wrong ? BY_DIRECTORY : (enum snapshot_cause)cause;
}

static void get_texts(struct reading *from, struct arena *arena, struct policy_texts *texts)
{
	size_t length;
	*texts = (struct policy_texts){.root_length = get_number(from, 4)};
	size_t count = get_number(from, 4);
	from->wrong = from->wrong || count > FILES_MAX;
	for (size_t i = 0; i < count && !from->wrong; i++) {
		const char *name = get_text(from, from->left, &length);
		struct source *file = arena_push(arena, texts->files, texts->count);
		file->file = arena_copy(arena, name, length);
		const char *content = get_text(from, from->left, &length);
		file->text = arena_copy(arena, content, length);
		file->length = length;
	}
	from->wrong = from->wrong || from->left > 0;
}

/* ---- files ---- */

static void name_of(const struct snapshot *snapshot, char name[STATE_NAME_MOST])
{
	snprintf(name, STATE_NAME_MOST, NAME_PREFIX "%010u", snapshot->number);
}

/* The number in a name that we gave; 0: it is none. */
static unsigned number_of(const char *name)
{
	const char *digits = name + strlen(NAME_PREFIX);
	unsigned long number =
	    strlen(digits) == 10 && strspn(digits, "0123456789") == 10 ? strtoul(digits, NULL, 10) : 0;
	return number < UINT32_MAX ? (unsigned)number : 0;
}

static char *read_file(const struct snapshots *snapshots, const struct snapshot *snapshot, struct snapshot *head,
		       struct arena *arena, struct policy_texts *texts)
{
	char name[STATE_NAME_MOST], *error;
	struct state_content content;
	name_of(snapshot, name);
	error = state_file_read(snapshots->directory, name, STATE_POLICY, &content);
	struct reading reading = {.at = content.payload, .left = content.length, .wrong = content.file == NULL};
	get_head(&reading, head);
	if (texts != NULL)
		get_texts(&reading, arena, texts);
	state_content_finish(&content);
	if (error == NULL && reading.wrong &&
	    asprintf(&error, "%s/%s: damaged, or gone", snapshots->directory->path, name) < 0)
		abort();
	return error;
}

static void forget(struct snapshots *snapshots, size_t index)
{
	free(snapshots->items[index].problem);
	snapshots->count--;
	memmove(&snapshots->items[index], &snapshots->items[index + 1],
		(snapshots->count - index) * sizeof *snapshots->items);
}

/* Removes one with its file. What cannot be removed now is tried again at the next start. */
static void drop(struct snapshots *snapshots, size_t index)
{
	char name[STATE_NAME_MOST];
	name_of(&snapshots->items[index], name);
	free(state_file_remove(snapshots->directory, name));
	forget(snapshots, index);
}

/* Appends one that is on the disk. */
static void append(struct snapshots *snapshots, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshots->count; i++)
		if (snapshot->revision[0] != 0 && strcmp(snapshots->items[i].revision, snapshot->revision) == 0)
			drop(snapshots, i--);
	if (snapshots->count == SNAPSHOTS_MOST)
		drop(snapshots, 0);
	snapshots->items[snapshots->count++] = *snapshot;
}

char *snapshots_open(struct snapshots *snapshots, const struct state_directory *directory)
{
	char **names;
	size_t count;
	*snapshots = (struct snapshots){.directory = directory};
	char *error = state_file_names(directory, NAME_PREFIX, &names, &count);
	for (size_t i = 0; i < count; i++) {
		struct snapshot snapshot = {.number = number_of(names[i])};
		free(names[i]);
		if (snapshot.number == 0)
			continue;
		struct snapshot head = snapshot;
		char *problem = read_file(snapshots, &snapshot, &head, NULL, NULL);
		if (problem == NULL)
			snapshot = head;
		snapshot.problem = problem;
		append(snapshots, &snapshot);
	}
	free(names);
	return error;
}

void snapshots_close(struct snapshots *snapshots)
{
	while (snapshots->count > 0)
		forget(snapshots, snapshots->count - 1);
}

const struct snapshot *snapshots_newest(const struct snapshots *snapshots)
{
	return snapshots->count > 0 ? &snapshots->items[snapshots->count - 1] : NULL;
}

char *snapshots_add(struct snapshots *snapshots, const struct snapshot *snapshot, const struct policy_texts *texts)
{
	char name[STATE_NAME_MOST], *bytes = NULL;
	size_t size = 0;
	const struct snapshot *newest = snapshots_newest(snapshots);
	struct snapshot added = *snapshot;
	added.number = newest != NULL ? newest->number + 1 : 1;
	added.problem = NULL;
	FILE *to = open_memstream(&bytes, &size);
	if (to == NULL)
		abort();
	put_string(to, added.revision);
	put_string(to, added.left);
	put_string(to, added.passed_over);
	put_number(to, (uint64_t)added.since, 8);
	put_number(to, added.cause, 1);
	put_number(to, texts->root_length, 4);
	put_number(to, texts->count, 4);
	for (size_t i = 0; i < texts->count; i++) {
		put_string(to, texts->files[i].file);
		put_text(to, texts->files[i].text, texts->files[i].length);
	}
	if (fclose(to) != 0)
		abort();
	name_of(&added, name);
	char *error = state_file_write(snapshots->directory, name, STATE_POLICY, bytes, size);
	free(bytes);
	if (error == NULL)
		append(snapshots, &added);
	return error;
}

char *snapshot_read(const struct snapshots *snapshots, const struct snapshot *snapshot, struct arena *arena,
		    struct policy_texts *texts)
{
	struct snapshot head;
	return read_file(snapshots, snapshot, &head, arena, texts);
}
