/* config/role - as whom a program goes on when root started it; see role.h */
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/config/role.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

struct base_role
config_role_milter(const struct settings *settings)
{
	return (struct base_role){ "user", settings->user, "group", settings->group };
}

struct base_role
config_role_web(const struct settings *settings)
{
	return (
	    struct base_role){ "web.user", settings->web.user, "web.group", settings->web.group };
}

bool
config_role_enter(const char *program, const char *path,
    struct base_role (*role)(const struct settings *settings), int *code_r)
{
	struct settings *settings;
	struct base_role wanted;
	enum base_result result;
	const char *why = "";

	if (geteuid() != 0)
		return true;
	*code_r = EX_CONFIG;
	settings = settings_load_or_report(path);
	if (settings == NULL)
		return false;
	wanted = role(settings);
	result = base_user_become(&wanted, &why);
	if (result != BASE_OK) {
		fprintf(stderr, "%s: started as root: %s\n", program, why);
		*code_r = result == BASE_REFUSE ? EX_CONFIG : EX_NOPERM;
	} else if (access(path, R_OK) != 0) {
		fprintf(stderr, "%s: %s: the user %s (%s) cannot read it\n", program, path,
		    wanted.user, wanted.user_setting);
		result = BASE_REFUSE;
	}
	settings_free(&settings);
	return result == BASE_OK;
}
