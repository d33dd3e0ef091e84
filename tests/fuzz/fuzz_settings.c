/*
 * NAME
 *	fuzz_settings - any bytes as a settings file
 *
 * Built and run by tests/fuzz/run, with libFuzzer. Whatever comes in, it is either a whole
 * value whose last rule fits everybody, or there is at least one error with a text.
 * Of the seeds, y_ is right, n_ is wrong.
 *
 * FUZZ-SOURCES: milter/settings milter/mail milter/base
 */
#include "milter/base/result.h"
#include "milter/settings/settings.h"
#include "tests/fuzz/fuzz.h"

#include <unistd.h>

const char *__lsan_default_suppressions(void);

static char path[64];

/* libconfig 1.5 loses the text of a string that does not end. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yy\n";
}

/* The file goes with the program. */
static void
file_remove(void)
{
	unlink(path);
}

/* A value must be usable. */
static void
check_settings(const struct settings *settings)
{
	must(settings->policy_count > 0, "there is a rule");
	must(settings->policies[settings->policy_count - 1].line == 0,
	    "the built-in rule is the last one");
	for (size_t i = 0; i < settings->policy_count; i++)
		must(
		    settings->policies[i].name[0] != '\0' && settings->policies[i].language != NULL,
		    "a rule is whole");
	must(settings->identity.local_domain_count > 0, "there is a local domain");
}

/* Faults must tell. */
static void
check_errors(const struct settings_errors *errors)
{
	must(errors->count > 0, "a refusal has a reason");
	for (size_t i = 0; i < errors->count; i++)
		must(errors->items[i].file != NULL && errors->items[i].text[0] != '\0',
		    "an error says what is wrong, and where");
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd;

	(void)argc;
	(void)argv;
	strcpy(path, "/tmp/oops-fuzz-XXXXXX");
	fd = mkstemp(path);
	must(fd >= 0, "there is room for a file");
	close(fd);
	atexit(file_remove);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings *settings = NULL;
	struct settings_errors errors;
	enum base_result result;
	FILE *file = fopen(path, "w");

	must(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0,
	    "the file is written");
	result = settings_load(path, &settings, &errors);
	must((result == BASE_OK) == (settings != NULL), "OK has a value");
	fuzz_expect(result == BASE_OK);
	if (settings != NULL)
		check_settings(settings);
	else
		check_errors(&errors);
	settings_errors_free(&errors);
	settings_free(&settings);
	return 0;
}
