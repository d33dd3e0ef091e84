/*
 * NAME
 *	nothing - the milter that everything is measured against
 *
 * WHAT IT DOES
 *	Has a callback for every step and answers CONTINUE at each, as the simplest milter
 *	does: nothing SOCKET.
 */
#include <libmilter/mfapi.h>

#include <signal.h>
#include <stdio.h>

static sfsistat
on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
	(void)context, (void)host, (void)address;
	return SMFIS_CONTINUE;
}

static sfsistat
on_text(SMFICTX *context, char *text)
{
	(void)context, (void)text;
	return SMFIS_CONTINUE;
}

static sfsistat
on_arguments(SMFICTX *context, char **arguments)
{
	(void)context, (void)arguments;
	return SMFIS_CONTINUE;
}

static sfsistat
on_field(SMFICTX *context, char *name, char *value)
{
	(void)context, (void)name, (void)value;
	return SMFIS_CONTINUE;
}

static sfsistat
on_step(SMFICTX *context)
{
	(void)context;
	return SMFIS_CONTINUE;
}

static sfsistat
on_body(SMFICTX *context, unsigned char *data, size_t length)
{
	(void)context, (void)data, (void)length;
	return SMFIS_CONTINUE;
}

static sfsistat
on_unknown(SMFICTX *context, const char *command)
{
	(void)context, (void)command;
	return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
	static char program[] = "nothing";
	struct smfiDesc description = { .xxfi_name = program,
		.xxfi_version = SMFI_VERSION,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_text,
		.xxfi_envfrom = on_arguments,
		.xxfi_envrcpt = on_arguments,
		.xxfi_data = on_step,
		.xxfi_header = on_field,
		.xxfi_eoh = on_step,
		.xxfi_body = on_body,
		.xxfi_eom = on_step,
		.xxfi_abort = on_step,
		.xxfi_close = on_step,
		.xxfi_unknown = on_unknown };

	if (argc != 2) {
		fprintf(stderr, "usage: nothing SOCKET\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	if (smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(description) != MI_SUCCESS ||
	    smfi_setbacklog(200) != MI_SUCCESS || smfi_opensocket(1) != MI_SUCCESS) {
		fprintf(stderr, "nothing: %s cannot be opened\n", argv[1]);
		return 69;
	}
	return smfi_main() == MI_SUCCESS ? 0 : 70;
}
