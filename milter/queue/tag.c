/* The tag header, spelled in one place: who writes it and who believes it. */
#include <string.h>

#include "milter/queue/queue.h"

/* "id=HOLDID; action=ACTION". */
enum base_result
queue_tag_format(
    struct base_arena *arena, const char *hold_id, const char *action, const char **value_r)
{
	char *value;

	if (!base_is_id(hold_id) || action[0] == '\0' ||
	    strspn(action, "abcdefghijklmnopqrstuvwxyz-") != strlen(action))
		return BASE_REFUSE;
	value = base_arena_printf(arena, "id=%s; action=%s", hold_id, action);
	if (value == NULL)
		return BASE_BROKEN;
	*value_r = value;
	return BASE_OK;
}

/* The hold id in a value, blanks around it allowed. */
enum base_result
queue_tag_parse(const char *value, char id_r[BASE_ID_SIZE])
{
	char id[BASE_ID_SIZE];

	value += strspn(value, " \t");
	if (strncmp(value, "id=", 3) != 0 || strlen(value) < 3 + BASE_ID_LENGTH)
		return BASE_REFUSE;
	value += 3;
	memcpy(id, value, BASE_ID_LENGTH);
	id[BASE_ID_LENGTH] = '\0';
	if (!base_is_id(id) || strncmp(value + BASE_ID_LENGTH, "; action=", 9) != 0)
		return BASE_REFUSE;
	memcpy(id_r, id, BASE_ID_SIZE);
	return BASE_OK;
}
