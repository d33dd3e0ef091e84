/*
 * NAME
 *	fuzz_audience - any bytes as a file of lists
 *
 * The first byte says in which form the rest is read: 'a' aliases(5), 'v' virtual(5), 'm' one
 * member a line. Whatever comes in, counting ends and says at least one person.
 * Of the seeds, y_ is a file of lists, n_ is none.
 *
 * FUZZ-SOURCES: milter/audience milter/mail milter/base
 */
#include "milter/base/result.h"
#include "milter/audience/audience.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/* How many are behind one address. */
static void
check_count(struct audience_directory *directory, const char *address)
{
	struct mail_transaction transaction = { .recipients = {
						    .items = &address, .count = 1, .seen = 1 } };
	struct audience audience;

	audience_count(directory, &transaction, "", &audience);
	must(audience.people >= 1, "somebody gets it");
	must(audience.lists <= 1, "one recipient is one list at most");
}

/* The bytes as a file that the settings name. */
static void
check_file(struct settings_list *list)
{
	const char *domain = "example.com", *why = NULL;
	struct settings settings = {
		.identity = { .local_domains = &domain, .local_domain_count = 1 },
		.lists = list,
		.list_count = 1,
	};
	struct audience_directory *directory = NULL;
	enum base_result result = audience_directory_new(&settings, &directory, &why);

	fuzz_expect(result == BASE_OK);
	if (result != BASE_OK) {
		must(why != NULL && strpbrk(why, "\r\n") == NULL, "a failure has a reason");
		return;
	}
	check_count(directory, "all@example.com");
	check_count(directory, "x@example.com");
	check_count(directory, "x@elsewhere.example");
	audience_directory_free(&directory);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings_list list = { 0 };
	char path[40];
	int fd;

	/* other files of this machine are not to be read */
	if (size == 0 || memmem(data, size, ":/", 2) != NULL)
		return 0;
	fd = memfd_create("lists", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1), "a file is made");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	switch (data[0]) {
	case 'a':
		list.aliases = path;
		break;
	case 'v':
		list.virtual = path;
		break;
	default:
		list.address = "all@example.com";
		list.file = path;
	}
	check_file(&list);
	close(fd);
	return 0;
}
