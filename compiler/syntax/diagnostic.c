/* Diagnostics: collects what is wrong, and prints it with the line underlined.
 *
 * Input from others reaches a terminal only through escape_print. */
#include <ringfence/arena.h>
#include <ringfence/diagnostic.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_WIDTH_MAX = 200, NAME_LENGTH_MAX = 64 };

/* Where a line begins: diagnostics that come in the order of lines then read a text once. */
struct source_place {
	const struct source *source;
	unsigned line;
	const char *at;
};

void diagnostics_init(struct diagnostics *list, struct arena *arena)
{
	*list = (struct diagnostics){.arena = arena, .place = arena_alloc(arena, sizeof(struct source_place))};
}

void diagnostics_add_source(struct diagnostics *list, const struct source *source)
{
	*arena_push(list->arena, list->sources, list->source_count) = source;
	*list->place = (struct source_place){0}; /* a name may stand for a newer text now */
}

/* The text of line `number` of `file`, without its newline, or NULL. */
static const char *source_line(const struct diagnostics *list, const char *file, unsigned number)
{
	struct source_place *place = list->place;
	const struct source *source = place->source;
	if (source == NULL || strcmp(source->file, file) != 0) {
		source = NULL;
		for (size_t i = list->source_count; i > 0 && source == NULL; i--)
			if (strcmp(list->sources[i - 1]->file, file) == 0)
				source = list->sources[i - 1];
		if (source == NULL)
			return NULL;
		*place = (struct source_place){source, 1, source->text};
	}
	if (number < place->line)
		*place = (struct source_place){source, 1, source->text};
	const char *at = place->at, *end = source->text + source->length;
	unsigned line = place->line;
	for (; line < number && at < end; line++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		at = newline != NULL ? newline + 1 : end;
	}
	*place = (struct source_place){source, line, at};
	const char *newline = memchr(at, '\n', (size_t)(end - at));
	size_t length = (size_t)((newline != NULL ? newline : end) - at);
	if (length > 0 && at[length - 1] == '\r')
		length--;
	return arena_copy(list->arena, at, length);
}

static void add(struct diagnostics *list, enum severity severity, struct span span, const char *message)
{
	struct diagnostic *diagnostic = arena_push(list->arena, list->items, list->count);
	*diagnostic = (struct diagnostic){.severity = severity, .span = span, .message = message};
	if (span.file != NULL && span.line > 0)
		diagnostic->source = source_line(list, span.file, span.line);
	list->errors += severity == SEVERITY_ERROR;
}

void diagnostics_error(struct diagnostics *list, struct span span, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(list, SEVERITY_ERROR, span, arena_vprintf(list->arena, format, args));
	va_end(args);
}

void diagnostics_warning(struct diagnostics *list, struct span span, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(list, SEVERITY_WARNING, span, arena_vprintf(list->arena, format, args));
	va_end(args);
}

void diagnostics_help(struct diagnostics *list, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (list->count > 0)
		list->items[list->count - 1].help = arena_vprintf(list->arena, format, args);
	va_end(args);
}

void diagnostics_rule(struct diagnostics *list, enum diagnostic_rule rule)
{
	if (list->count > 0)
		list->items[list->count - 1].rule = rule;
}

/* Edits (insert, delete, replace, swap of neighbours) from `a` to `b`; both at most NAME_LENGTH_MAX long. */
static size_t distance(const char *a, const char *b)
{
	size_t rows = strlen(a), columns = strlen(b);
	size_t d[NAME_LENGTH_MAX + 1][NAME_LENGTH_MAX + 1];
	for (size_t i = 0; i <= rows; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= columns; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= rows; i++) {
		for (size_t j = 1; j <= columns; j++) {
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[rows][columns];
}

bool diagnostics_suggest(struct diagnostics *list, const char *wrong, const char *const *names, size_t count)
{
	size_t length = strlen(wrong);
	if (length > NAME_LENGTH_MAX)
		return false;
	size_t best = (length > 3 ? length : 3) / 3 + 1;
	const char *nearest = NULL;
	for (size_t i = 0; i < count; i++) {
		if (strlen(names[i]) > NAME_LENGTH_MAX)
			continue;
		size_t edits = distance(wrong, names[i]);
		if (edits < best) {
			best = edits;
			nearest = names[i];
		}
	}
	if (nearest != NULL)
		diagnostics_help(list, "did you mean `%s`?", nearest);
	return nearest != NULL;
}

int compare_spans(const struct span *a, const struct span *b)
{
	int files = strcmp(a->file != NULL ? a->file : "", b->file != NULL ? b->file : "");
	if (files != 0)
		return files;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

static int compare(const void *left, const void *right)
{
	return compare_spans(&((const struct diagnostic *)left)->span, &((const struct diagnostic *)right)->span);
}

void diagnostics_sort(struct diagnostics *list)
{
	if (list->count > 1)
		qsort(list->items, list->count, sizeof *list->items, compare);
}

/* The length of the UTF-8 character at `text` (RFC 3629), or 0 when the bytes are none. Its code point goes to `point`.
 */
static size_t utf8_length(const unsigned char *text, size_t room, uint32_t *point)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	for (size_t length = 1; length <= 4; length++) {
		if ((text[0] & forms[length - 1].mask) != forms[length - 1].lead)
			continue;
		if (room < length)
			return 0;
		*point = text[0] & (unsigned char)~forms[length - 1].mask;
		for (size_t i = 1; i < length; i++) {
			if ((text[i] & 0xc0) != 0x80)
				return 0;
			*point = *point << 6 | (text[i] & 0x3f);
		}
		bool valid =
		    *point >= forms[length - 1].least && *point <= 0x10ffff && (*point < 0xd800 || *point > 0xdfff);
		return valid ? length : 0;
	}
	return 0;
}

/* Control characters, and those that change the direction or hide (Unicode Cf that terminals obey). */
static bool must_escape(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
	       (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
}

void escape_print(FILE *stream, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + length;
	while (at < end) {
		uint32_t point = 0;
		size_t size = utf8_length(at, (size_t)(end - at), &point);
		if (size > 0 && !must_escape(point)) {
			fwrite(at, 1, size, stream);
			at += size;
			continue;
		}
		for (size_t i = 0; i < (size > 0 ? size : 1); i++)
			fprintf(stream, "\\x%02x", *at++);
	}
}

static void print_text(FILE *stream, const char *text)
{
	escape_print(stream, text, strlen(text));
}

/* Prints the line with the span underlined. Columns count characters; a tab becomes a space. */
static void print_source(const struct diagnostic *d, FILE *stream, const char *mark, const char *reset)
{
	const char *text = d->source;
	size_t length = strlen(text), shown = length < LINE_WIDTH_MAX ? length : LINE_WIDTH_MAX;
	int margin = snprintf(NULL, 0, "%u", d->span.line);
	fprintf(stream, " %u | ", d->span.line);
	for (size_t i = 0; i < shown; i++) {
		uint32_t point = 0;
		size_t size = utf8_length((const unsigned char *)text + i, length - i, &point);
		if (text[i] == '\t')
			fputc(' ', stream);
		else if (size == 0 || must_escape(point))
			fputc('?', stream); /* one column, so that the underline stays in place */
		else
			fwrite(text + i, 1, size, stream);
		i += size > 0 ? size - 1 : 0;
	}
	unsigned width = 1;
	if (d->span.end_line == d->span.line && d->span.end_column > d->span.column)
		width = d->span.end_column - d->span.column;
	if (d->span.column > LINE_WIDTH_MAX) {
		fputc('\n', stream);
		return;
	}
	if (width > LINE_WIDTH_MAX)
		width = LINE_WIDTH_MAX;
	fprintf(stream, "\n %*s | %*s%s", margin, "", (int)d->span.column - 1, "", mark);
	for (unsigned i = 0; i < width; i++)
		fputc('^', stream);
	fprintf(stream, "%s\n", reset);
}

static void print_one(FILE *stream, const struct diagnostic *d, bool color)
{
	static const char *const names[] = {[SEVERITY_ERROR] = "error", [SEVERITY_WARNING] = "warning"};
	static const char *const colors[] = {[SEVERITY_ERROR] = "\x1b[1;31m", [SEVERITY_WARNING] = "\x1b[1;33m"};
	const char *mark = color ? colors[d->severity] : "", *reset = color ? "\x1b[0m" : "";
	if (d->span.file != NULL) {
		print_text(stream, d->span.file);
		fprintf(stream, ":%u:%u: ", d->span.line, d->span.column);
	}
	fprintf(stream, "%s%s:%s ", mark, names[d->severity], reset);
	print_text(stream, d->message);
	fputc('\n', stream);
	if (d->source != NULL)
		print_source(d, stream, mark, reset);
	if (d->help != NULL) {
		fputs("help: ", stream);
		print_text(stream, d->help);
		fputc('\n', stream);
	}
}

/* Each is written at once: standard error has no buffer, and a system call for each character takes long. */
void diagnostics_print(const struct diagnostics *list, FILE *stream, bool color)
{
	for (size_t i = 0; i < list->count; i++) {
		char *text = NULL;
		size_t size = 0;
		FILE *memory = open_memstream(&text, &size);
		if (memory == NULL)
			abort();
		print_one(memory, &list->items[i], color);
		if (fclose(memory) != 0)
			abort();
		fwrite(text, 1, size, stream);
		free(text);
	}
}
