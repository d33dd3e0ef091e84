/* narrow - for systems that have nothing of the kind; see narrow.h */
#include "milter/base/result.h"
#include "milter/narrow/narrow.h"

enum base_result
narrow_enter(bool keeps_files, const char **why_r)
{
	(void)keeps_files;
	*why_r = "this system is not known to have what narrows a process";
	return BASE_NONE;
}
