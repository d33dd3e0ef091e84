/* interrupt - a long job is told to end; see interrupt.h */
#include <signal.h>
#include <stddef.h>
#include <sysexits.h>

#include "milter/base/interrupt.h"

static volatile sig_atomic_t interrupted;

/* Notes which signal it was. */
static void
interrupt_note(int number)
{
	interrupted = number;
}

void
base_interrupt_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	/* without SA_RESTART a read that waits ends; the second one kills */
	struct sigaction note = { .sa_handler = interrupt_note, .sa_flags = (int)SA_RESETHAND };
	struct sigaction before;

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &note, NULL);
}

int
base_interrupted(void)
{
	return interrupted;
}
