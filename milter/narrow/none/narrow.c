/* narrow - for systems that have nothing of the kind; see narrow.h */
#include "milter/base/result.h"
#include "milter/narrow/narrow.h"

/* One reason for all. */
static enum base_result
unknown(const char **why_r)
{
	*why_r = "this system is not known to have what narrows a process";
	return BASE_NONE;
}

enum base_result
narrow_tools(const char **why_r)
{
	return unknown(why_r);
}

enum base_result
narrow_enter(bool keeps_files, const char **why_r)
{
	(void)keeps_files;
	return unknown(why_r);
}

enum base_result
narrow_files(const char *const *folders, size_t count, bool reads_all, const char **why_r)
{
	(void)folders;
	(void)count;
	(void)reads_all;
	return unknown(why_r);
}
