/* ringfence schema: the language as a JSON Schema, for editors. */
#include "compiler/cli/cli.h"
#include "compiler/report/schema_json.h"

static void print(FILE *stream, const void *object)
{
	(void)object;
	schema_print_json(stream);
}

int schema_run(const struct arguments *arguments)
{
	if (arguments->word_count > 0)
		return problem("`ringfence schema` takes no `%s`: it describes every document", arguments->words[0]);
	if (arguments->output == NULL) {
		print(stdout, NULL);
		return EXIT_YES;
	}
	struct arena *arena = arena_create();
	const char *wrong = output_write(arena, arguments->output, print, NULL);
	int status = wrong != NULL ? problem("%s", wrong) : EXIT_YES;
	arena_free(arena);
	return status;
}
