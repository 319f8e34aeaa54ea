/* Policy as it is in a git repository: git:REV[:PATH].
 *
 * git is run without a shell, and each word of the command line stands where git takes it for nothing else: REV becomes
 * the name of a commit first, PATH stands behind `--` and is taken letter by letter. Files come as they were committed;
 * which of a directory's count is as on disk. Symbolic links and submodules are passed over. */
#include "compiler/cli/cli.h"

#include <ringfence/yaml.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* git while it runs, with its input and output. */
struct git {
	pid_t pid;
	FILE *in, *out;
};

static bool git_start(struct git *git, const char *const *words)
{
	int in[2], out[2];
	posix_spawn_file_actions_t actions;
	if (pipe2(in, O_CLOEXEC) != 0)
		return false;
	if (pipe2(out, O_CLOEXEC) != 0) {
		close(in[0]);
		close(in[1]);
		return false;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	errno = posix_spawnp(&git->pid, "git", &actions, NULL, (char *const *)(uintptr_t)words, environ);
	bool started = errno == 0;
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	git->in = started ? fdopen(in[1], "w") : NULL;
	git->out = started ? fdopen(out[0], "r") : NULL;
	if (started && (git->in == NULL || git->out == NULL))
		abort();
	if (!started) {
		close(in[1]);
		close(out[0]);
	}
	return started;
}

/* Waits for the end. Returns whether git found nothing wrong. */
static bool git_finish(struct git *git)
{
	int status;
	fclose(git->in);
	fclose(git->out);
	while (waitpid(git->pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void git_error(struct frontend *frontend, const char *word, const char *problem)
{
	diagnostics_error(frontend->diagnostics, (struct span){0}, "%s: %s", word, problem);
}

/* The commit that `revision` names, in hexadecimal, or NULL. */
static const char *find_commit(struct frontend *frontend, const char *word, const char *revision)
{
	const char *commit = arena_printf(frontend->arena, "%s^{commit}", revision);
	const char *const words[] = {"git", "rev-parse", "--verify", "--quiet", "--end-of-options", commit, NULL};
	struct git git;
	char *line = NULL;
	size_t size = 0;
	if (!git_start(&git, words)) {
		git_error(frontend, word, arena_printf(frontend->arena, "git cannot be run: %s", strerror(errno)));
		return NULL;
	}
	ssize_t length = getline(&line, &size, git.out);
	size_t digits = length > 0 ? strspn(line, "0123456789abcdef") : 0;
	const char *name = digits >= 40 ? arena_copy(frontend->arena, line, digits) : NULL;
	free(line);
	if (!git_finish(&git) || name == NULL) {
		git_error(frontend, word, "there is no such revision here, or this is no git repository");
		return NULL;
	}
	return name;
}

/* A file of a tree. */
struct blob {
	const char *name, *path; /* of the object, in the repository */
};

/* Whether a file below `below` counts: with an ending of documents, and nowhere hidden. */
static bool is_document(const char *path, const char *below)
{
	size_t length = strlen(below);
	while (length > 0 && below[length - 1] == '/')
		length--;
	if (length > 0 && strncmp(path, below, length) == 0 && path[length] == 0)
		return true; /* the file itself was named */
	if (length > 0 && strncmp(path, below, length) == 0 && path[length] == '/')
		path += length + 1;
	return path[0] != '.' && strstr(path, "/.") == NULL && frontend_has_document_name(path);
}

/* Reads `MODE blob NAME<tab>PATH`, each behind the other with a NUL between. */
static struct blob *list_blobs(struct frontend *frontend, FILE *stream, const char *below, size_t *count)
{
	struct blob *blobs = NULL;
	char *entry = NULL;
	size_t size = 0;
	*count = 0;
	while (getdelim(&entry, &size, 0, stream) > 0) {
		char *tab = strchr(entry, '\t');
		if (tab == NULL || strncmp(entry, "100", 3) != 0 || strncmp(entry + 6, " blob ", 6) != 0 ||
		    !is_document(tab + 1, below))
			continue;
		*arena_push(frontend->arena, blobs, *count) =
		    (struct blob){arena_copy(frontend->arena, entry + 12, (size_t)(tab - entry) - 12),
				  arena_copy(frontend->arena, tab + 1, strlen(tab + 1))};
	}
	free(entry);
	return blobs;
}

/* As a directory is read: name by name, so that what is below a directory stands behind what is named like it. */
static int by_names(const void *left, const void *right)
{
	const char *a = ((const struct blob *)left)->path, *b = ((const struct blob *)right)->path;
	while (*a != 0 && *a == *b) {
		a++;
		b++;
	}
	return (*a == '/' ? 1 : (unsigned char)*a) - (*b == '/' ? 1 : (unsigned char)*b);
}

static struct blob *find_blobs(struct frontend *frontend, const char *word, const char *commit, const char *path,
			       size_t *count)
{
	const char *const words[] = {"git", "--literal-pathspecs", "ls-tree", "-r", "-z", commit, "--", path, NULL};
	struct git git;
	*count = 0;
	if (!git_start(&git, words)) {
		git_error(frontend, word, strerror(errno));
		return NULL;
	}
	struct blob *blobs = list_blobs(frontend, git.out, path != NULL ? path : "", count);
	if (*count > 1)
		qsort(blobs, *count, sizeof *blobs, by_names);
	if (!git_finish(&git))
		git_error(frontend, word, "git cannot list its files");
	else if (*count == 0)
		git_error(frontend, word, "there is no .yaml, .yml or .json file");
	return blobs;
}

/* Asks a running `git cat-file --batch` for a file: `NAME blob SIZE`, the bytes, and a line feed. Returns NULL, or what
 * is wrong. */
static const char *read_blob(struct frontend *frontend, struct git *git, const char *revision, const struct blob *blob)
{
	char *line = NULL;
	size_t size = 0;
	if (fprintf(git->in, "%s\n", blob->name) < 0 || fflush(git->in) != 0 || getline(&line, &size, git->out) <= 0) {
		free(line);
		return "git ended early";
	}
	const char *last = strrchr(line, ' ');
	size_t length = last != NULL && strstr(line, " blob ") != NULL ? strtoul(last, NULL, 10) : SIZE_MAX;
	free(line);
	if (length == SIZE_MAX)
		return "git does not have it";
	if (length > YAML_BYTES_MAX)
		return "larger than 64 MiB";
	char *text = arena_alloc(frontend->arena, length + 1);
	if (fread(text, 1, length, git->out) != length || fgetc(git->out) != '\n')
		return "git ended early";
	frontend_add_text(frontend, arena_printf(frontend->arena, "%s:%s", revision, blob->path), text, length);
	return NULL;
}

static void read_blobs(struct frontend *frontend, const char *word, const char *revision, const struct blob *blobs,
		       size_t count)
{
	static const char *const words[] = {"git", "cat-file", "--batch", NULL};
	struct git git;
	const char *wrong = count > FILES_MAX ? "more than 100000 files" : NULL;
	if (count == 0 || wrong != NULL || !git_start(&git, words)) {
		if (count > 0)
			git_error(frontend, word, wrong != NULL ? wrong : strerror(errno));
		return;
	}
	for (size_t i = 0; i < count && wrong == NULL; i++) {
		wrong = read_blob(frontend, &git, revision, &blobs[i]);
		if (wrong != NULL)
			git_error(frontend, arena_printf(frontend->arena, "%s:%s", revision, blobs[i].path), wrong);
	}
	git_finish(&git);
}

bool git_is_word(const char *word)
{
	return strncmp(word, "git:", 4) == 0;
}

/* How much of the path of a blob is above what `path` names last. */
static size_t above(const char *path, const struct blob *blob)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	return strncmp(blob->path, path != NULL ? path : "", length) == 0 ? length : 0;
}

const char *git_add(struct frontend *frontend, const char *word)
{
	const char *colon = strchr(word + 4, ':');
	size_t length = colon != NULL ? (size_t)(colon - word) - 4 : strlen(word + 4);
	const char *revision = arena_copy(frontend->arena, word + 4, length);
	const char *path = colon != NULL && colon[1] != 0 ? colon + 1 : NULL;
	if (length == 0 || revision[0] == '-') {
		git_error(frontend, word, "write git:REV or git:REV:PATH, such as git:main:policies");
		return NULL;
	}
	const char *commit = find_commit(frontend, word, revision);
	size_t count = 0;
	struct blob *blobs = commit != NULL ? find_blobs(frontend, word, commit, path, &count) : NULL;
	frontend->root_length = length + 1 + (count > 0 ? above(path, &blobs[0]) : 0);
	read_blobs(frontend, word, revision, blobs, count);
	return commit;
}
