/* states - names, and the table of allowed moves; see hold.h */
#include "milter/hold/internal.h"

/* Every move there is. Whatever is not here cannot happen. */
static const struct {
	enum hold_state from, to;
} moves[] = {
	{ HOLD_PENDING, HOLD_HELD },       /* the queue shows the file, on hold */
	{ HOLD_PENDING, HOLD_LOST },       /* it never showed */
	{ HOLD_HELD, HOLD_SENDING },       /* by request, window over, or expired */
	{ HOLD_HELD, HOLD_UNDONE },        /* by request */
	{ HOLD_HELD, HOLD_RETURNING },     /* expired */
	{ HOLD_HELD, HOLD_LOST },          /* the file went away */
	{ HOLD_UNDONE, HOLD_SENDING },     /* restored by request */
	{ HOLD_UNDONE, HOLD_RETURNING },   /* grace over */
	{ HOLD_UNDONE, HOLD_DELETED },     /* grace over, and the file is deleted */
	{ HOLD_UNDONE, HOLD_LOST },        /* the file went away */
	{ HOLD_SENDING, HOLD_SENT },       /* released */
	{ HOLD_SENDING, HOLD_LOST },       /* not one file was ours any more */
	{ HOLD_RETURNING, HOLD_RETURNED }, /* its author has it back */
	{ HOLD_RETURNING, HOLD_SENDING },  /* too large to come back; see hold_is_kept() */
	{ HOLD_RETURNING, HOLD_LOST },     /* not one file was ours any more */
	{ HOLD_LOST, HOLD_PENDING },       /* adopted: the file is there after all */
};

const char *
hold_state_str(enum hold_state state)
{
	switch (state) {
	case HOLD_PENDING:
		return "PENDING";
	case HOLD_HELD:
		return "HELD";
	case HOLD_SENDING:
		return "SENDING";
	case HOLD_SENT:
		return "SENT";
	case HOLD_UNDONE:
		return "UNDONE";
	case HOLD_RETURNING:
		return "RETURNING";
	case HOLD_RETURNED:
		return "RETURNED";
	case HOLD_DELETED:
		return "DELETED";
	case HOLD_LOST:
		return "LOST";
	}
	return "unknown";
}

const char *
hold_entry_state_str(enum hold_entry_state state)
{
	switch (state) {
	case HOLD_ENTRY_PENDING:
		return "PENDING";
	case HOLD_ENTRY_HELD:
		return "HELD";
	case HOLD_ENTRY_DONE:
		return "DONE";
	case HOLD_ENTRY_LOST:
		return "LOST";
	}
	return "unknown";
}

const char *
hold_action_str(enum hold_action action)
{
	switch (action) {
	case HOLD_UNDO:
		return "undo";
	case HOLD_CONFIRM:
		return "confirm";
	case HOLD_STORM:
		return "storm";
	case HOLD_BLOCK:
		return "block";
	}
	return "unknown";
}

const char *
hold_request_str(enum hold_request request)
{
	switch (request) {
	case HOLD_REQUEST_SEND:
		return "send";
	case HOLD_REQUEST_UNDO:
		return "undo";
	case HOLD_REQUEST_RESTORE:
		return "restore";
	case HOLD_REQUEST_LIFT:
		return "lift";
	}
	return "unknown";
}

const char *
hold_how_str(enum hold_how how)
{
	switch (how) {
	case HOLD_HOW_UNKNOWN:
		return "unknown";
	case HOLD_HOW_STAYED:
		return "-";
	case HOLD_HOW_GONE:
		return "gone";
	case HOLD_HOW_RELEASED:
		return "released";
	}
	return "unknown";
}

const char *
hold_return_str(enum hold_return how)
{
	switch (how) {
	case HOLD_RETURN_DUE:
		return "due";
	case HOLD_RETURN_LETTER:
		return "letter";
	case HOLD_RETURN_BOUNCE:
		return "bounce";
	case HOLD_RETURN_STUCK:
		return "stuck";
	case HOLD_RETURN_KEPT:
		return "kept";
	}
	return "unknown";
}

bool
hold_state_is_final(enum hold_state state)
{
	return state == HOLD_SENT || state == HOLD_RETURNED || state == HOLD_DELETED ||
	       state == HOLD_LOST;
}

bool
hold_move_is_allowed(enum hold_state from, enum hold_state to)
{
	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++)
		if (moves[i].from == from && moves[i].to == to)
			return true;
	return false;
}

bool
hold_is_kept(const struct store_hold *row)
{
	return row->state == HOLD_RETURNING && row->return_how == HOLD_RETURN_KEPT;
}

bool
hold_entry_is_open(const struct store_entry *entry)
{
	return entry->state == HOLD_ENTRY_PENDING || entry->state == HOLD_ENTRY_HELD;
}

bool
hold_has_entry(const struct store_entry *entries, size_t count, enum hold_entry_state state)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].state == (int)state)
			return true;
	return false;
}
