/*
 * NAME
 *	fuzz_queue - any bytes as a control file of Sendmail's queue
 *
 * Built and run by tests/fuzz/run, with libFuzzer. A file that is taken for a good one stays a
 * good one of the same hold when it is taken off hold, in either way, and has no quarantine then.
 * Of the seeds, y_ is a control file of ours, n_ is not.
 *
 * FUZZ-SOURCES: milter/queue milter/base milter/narrow/none
 */
#include "milter/base/buffer.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1795480777

/* Is there a line that begins with this? */
static bool
has_line(const char *text, const char *start)
{
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += line[0] == '\n';
		if (strncmp(line, start, strlen(start)) == 0)
			return true;
		if (line[0] == '\0')
			break;
	}
	return false;
}

/* Takes a good file off hold. */
static void
check_rewrite(const char *data, size_t size, const struct queue_qf *qf, bool is_returned)
{
	struct base_buffer file;
	struct queue_qf again;
	const char *why;

	base_buffer_init(&file, size * 2 + 1000);
	queue_qf_rewrite(data, size, is_returned, NOW, &file);
	must(!file.failed, "the new file is no larger than that");
	must(queue_qf_parse(file.data, file.length, &again, &why) == BASE_OK, "it is good");
	must(strcmp(again.tag.hold_id, qf->tag.hold_id) == 0, "it is of the same hold");
	must(strcmp(again.directory, qf->directory) == 0, "its data is at the same place");
	must(!has_line(file.data, "q"), "it is not quarantined");
	must(!is_returned || has_line(file.data, "!\002 1\n"), "it goes back");
	must(!is_returned || again.created <= NOW - 2, "its second is over");
	base_buffer_free(&file);
}

/* The header of a good file. */
static void
check_header(const char *data, size_t size)
{
	struct base_buffer header;

	base_buffer_init(&header, size + 1);
	queue_qf_header(data, size, &header);
	must(!header.failed, "the header is no larger than its file");
	must(header.length > 0 && header.data[header.length - 1] == '\n', "it ends");
	base_buffer_free(&header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *data = malloc(size + 1);
	struct queue_qf qf;
	const char *why = "";
	bool is_good;

	if (data == NULL)
		return 0;
	memcpy(data, bytes, size); /* exactly as long: what is read behind it is found */
	is_good = queue_qf_parse(data, size, &qf, &why) == BASE_OK;
	fuzz_expect(is_good && qf.tag.hold_id[0] != '\0');
	if (is_good) {
		must(qf.tag.hold_id[0] == '\0' || base_is_id(qf.tag.hold_id), "the hold id is one");
		check_rewrite(data, size, &qf, false);
		check_rewrite(data, size, &qf, true);
		check_header(data, size);
	}
	free(data);
	return 0;
}
