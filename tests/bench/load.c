/*
 * NAME
 *	load - an MTA's side of the milter protocol, many times at once
 *
 * SYNOPSIS
 *	load SOCKET CONNECTIONS MESSAGES PER-CONNECTION SENDERS [hold]
 *
 * WHAT IT DOES
 *	Plays ordinary mail of about 4 KB over CONNECTIONS parallel connections until
 *	MESSAGES are through, with a new connection after every PER-CONNECTION of them,
 *	from SENDERS different people. It behaves as Postfix does: it honours the steps
 *	that the milter does not want or does not answer, sends the macros that it asked
 *	for, and writes to the socket when it must wait for an answer, not before.
 *
 *	With "hold" it stops in the middle of a message on every connection, prints "open"
 *	and waits until its standard input ends.
 *
 *	Prints: messages per second, microseconds that one answer at the end of the header
 *	took, messages that were over there, messages that were over at their end.
 */
#include <arpa/inet.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BODY_BYTES 4096
#define STAGES 7

/* What every thread of the run shares. */
static struct {
	const char *path;
	long messages, per_connection, senders;
	bool hold;
	atomic_long taken, open, header_ends, message_ends, header_nanoseconds;
	char body[BODY_BYTES];
} load;

struct peer {
	int fd;
	uint32_t steps;
	char symbols[STAGES][128]; /* macros asked for at each stage; "" for the MTA's usual ones */
	char out[65536];
	size_t used;
};

/* The macros that Postfix sends by itself, name and value. */
static const struct {
	char command;
	int stage;
	const char *macros[9];
} usual[] = {
	{ SMFIC_CONNECT, SMFIM_CONNECT,
	    { "j", "mx.example.com", "{daemon_name}", "mx.example.com", "v", "Postfix 3.7.11" } },
	{ SMFIC_HELO, SMFIM_HELO, { NULL } },
	{ SMFIC_MAIL, SMFIM_ENVFROM,
	    { "{auth_type}", "PLAIN", "{auth_authen}", "*", "{mail_addr}", "*" } },
	{ SMFIC_RCPT, SMFIM_ENVRCPT,
	    { "{rcpt_addr}", "someone@example.com", "{rcpt_mailer}", "smtp" } },
	{ SMFIC_DATA, SMFIM_DATA, { "i", "4cTESTxyzz1bY3F" } },
	{ SMFIC_HEADER, -1, { "i", "4cTESTxyzz1bY3F" } },
	{ SMFIC_EOH, SMFIM_EOH, { "i", "4cTESTxyzz1bY3F" } },
	{ SMFIC_BODY, -1, { "i", "4cTESTxyzz1bY3F" } },
	{ SMFIC_BODYEOB, SMFIM_EOM, { "i", "4cTESTxyzz1bY3F" } },
};

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
flush(struct peer *peer)
{
	size_t done = 0;

	while (done < peer->used) {
		ssize_t wrote = write(peer->fd, peer->out + done, peer->used - done);

		if (wrote <= 0)
			fail("write");
		done += (size_t)wrote;
	}
	peer->used = 0;
}

static void
read_all(struct peer *peer, void *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t got = read(peer->fd, (char *)data + done, length - done);

		if (got <= 0)
			fail("the milter has closed the connection");
		done += (size_t)got;
	}
}

/* One packet into the buffer. */
static void
put(struct peer *peer, char command, const void *data, size_t length)
{
	uint32_t size = htonl((uint32_t)length + 1);

	if (peer->used + length + 5 > sizeof(peer->out))
		flush(peer);
	memcpy(peer->out + peer->used, &size, 4);
	peer->out[peer->used + 4] = command;
	if (length > 0)
		memcpy(peer->out + peer->used + 5, data, length);
	peer->used += length + 5;
}

/* Waits for one answer. */
static char
answer(struct peer *peer)
{
	char data[512];
	uint32_t size;

	flush(peer);
	read_all(peer, &size, 4);
	size = ntohl(size);
	if (size == 0 || size > sizeof(data))
		fail("answer too long");
	read_all(peer, data, size);
	return data[0];
}

/* Was this macro asked for, if the milter asked for any at this stage? */
static bool
is_wanted(const struct peer *peer, int stage, const char *name)
{
	if (stage < 0 || peer->symbols[stage][0] == '\0')
		return true;
	return strstr(peer->symbols[stage], name) != NULL;
}

/* The macros that belong to a command; `login` stands for "*". */
static void
put_macros(struct peer *peer, char command, const char *login)
{
	char data[512];
	size_t used = 1, i, k;

	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (usual[i].command == command)
			break;
	if (i == sizeof(usual) / sizeof(usual[0]))
		return;
	data[0] = command;
	for (k = 0; usual[i].macros[k] != NULL; k += 2) {
		const char *name = usual[i].macros[k], *value = usual[i].macros[k + 1];

		if (!is_wanted(peer, usual[i].stage, name))
			continue;
		if (value[0] == '*')
			value = login;
		used +=
		    (size_t)snprintf(data + used, sizeof(data) - used, "%s%c%s", name, 0, value);
		used++;
	}
	put(peer, SMFIC_MACRO, data, used);
}

/* One step: left out, sent, or sent and answered, as was agreed. */
static char
step(struct peer *peer, char command, uint32_t skip, uint32_t silent, const char *login,
    const void *data, size_t length)
{
	if ((peer->steps & skip) != 0)
		return SMFIR_CONTINUE;
	put_macros(peer, command, login);
	put(peer, command, data, length);
	return (peer->steps & silent) != 0 ? SMFIR_CONTINUE : answer(peer);
}

/* Reads the macros that the milter asked for: number, names, NUL, and so on. */
static void
symbols_read(struct peer *peer, const char *data, size_t length)
{
	while (length > 5) {
		size_t text = strnlen(data + 4, length - 4);
		uint32_t stage;

		memcpy(&stage, data, 4);
		stage = ntohl(stage);
		if (stage < STAGES)
			snprintf(peer->symbols[stage], sizeof(peer->symbols[0]), "%.*s", (int)text,
			    data + 4);
		if (text + 5 > length)
			break;
		data += text + 5;
		length -= text + 5;
	}
}

static void
negotiate(struct peer *peer)
{
	const uint32_t offer[3] = { htonl(6), htonl(SMFI_CURR_ACTS), htonl(SMFI_CURR_PROT) };
	char data[1024];
	uint32_t size, steps;

	put(peer, SMFIC_OPTNEG, offer, sizeof(offer));
	flush(peer);
	read_all(peer, &size, 4);
	size = ntohl(size);
	if (size < 13 || size > sizeof(data))
		fail("negotiation");
	read_all(peer, data, size);
	memcpy(&steps, data + 9, 4);
	peer->steps = ntohl(steps);
	symbols_read(peer, data + 13, size - 13);
}

static void
peer_open(struct peer *peer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char connect_data[] = "client.example.com\0004\x12\x34"
				    "127.0.0.1";

	memset(peer, 0, sizeof(*peer));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", load.path);
	peer->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail("connect");
	negotiate(peer);
	step(peer, SMFIC_CONNECT, SMFIP_NOCONNECT, SMFIP_NR_CONN, "", connect_data,
	    sizeof(connect_data));
	step(peer, SMFIC_HELO, SMFIP_NOHELO, SMFIP_NR_HELO, "", "client", 7);
}

static void
peer_close(struct peer *peer)
{
	put(peer, SMFIC_QUIT, NULL, 0);
	flush(peer);
	close(peer->fd);
}

static void
envelope(struct peer *peer, long sender, const char *login)
{
	char text[128];
	int i;

	snprintf(text, sizeof(text), "<%s>", login);
	step(peer, SMFIC_MAIL, SMFIP_NOMAIL, SMFIP_NR_MAIL, login, text, strlen(text) + 1);
	for (i = 1; i <= 3; i++) {
		snprintf(text, sizeof(text), "<user%ld@example.com>", (sender + i) % load.senders);
		step(peer, SMFIC_RCPT, SMFIP_NORCPT, SMFIP_NR_RCPT, login, text, strlen(text) + 1);
	}
	step(peer, SMFIC_DATA, SMFIP_NODATA, SMFIP_NR_DATA, login, NULL, 0);
}

static void __attribute__((format(printf, 3, 4)))
field(struct peer *peer, const char *name, const char *format, ...)
{
	char data[1024];
	size_t used = strlen(name) + 1;
	va_list arguments;

	memcpy(data, name, used);
	if ((peer->steps & SMFIP_HDR_LEADSPC) != 0)
		data[used++] = ' ';
	va_start(arguments, format);
	used += (size_t)vsnprintf(data + used, sizeof(data) - used, format, arguments) + 1;
	va_end(arguments);
	step(peer, SMFIC_HEADER, SMFIP_NOHDRS, SMFIP_NR_HDR, "", data, used);
}

/* The dozen fields of an ordinary mail. */
static void
header(struct peer *peer, long number, long sender, const char *login)
{
	field(peer, "Received",
	    "from client.example.com (client.example.com [127.0.0.1])\n"
	    "\tby mx.example.com (Postfix) with ESMTPSA id 4cTESTxyzz1bY3F\n"
	    "\tfor <someone@example.com>; Mon, 23 Nov 2026 09:00:46 +0000 (UTC)");
	field(peer, "DKIM-Signature",
	    "v=1; a=rsa-sha256; c=relaxed/simple; d=example.com;\n"
	    "\ts=mail; t=1795424446; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\n"
	    "\th=Date:From:To:Subject:Message-ID; b=%0*d",
	    172, 7);
	field(peer, "Date", "Mon, 23 Nov 2026 09:00:46 +0000");
	field(peer, "MIME-Version", "1.0");
	field(peer, "User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Thunderbird/128.0");
	field(peer, "Content-Language", "en-GB");
	field(peer, "From", "User %ld <%s>", sender, login);
	field(peer, "To", "user%ld@example.com, user%ld@example.com,\n user%ld@example.com",
	    (sender + 1) % load.senders, (sender + 2) % load.senders, (sender + 3) % load.senders);
	field(peer, "Subject", "Figures for week %ld", number % 52);
	field(peer, "Message-ID", "<%ld.%d@example.com>", number, (int)getpid());
	field(peer, "Content-Type", "text/plain; charset=UTF-8; format=flowed");
	field(peer, "Content-Transfer-Encoding", "8bit");
}

/* One mail from its envelope to the answer that settles it. */
static void
mail(struct peer *peer, long number)
{
	/* Spread over all senders, so that no cache of the last few helps. */
	long sender = (long)((uint64_t)number * 7919 % (uint64_t)load.senders);
	char login[64];
	int64_t start;
	char end;

	snprintf(login, sizeof(login), "user%ld@example.com", sender);
	envelope(peer, sender, login);
	if (load.hold) {
		flush(peer);
		return;
	}
	header(peer, number, sender, login);
	start = nanoseconds();
	end = step(peer, SMFIC_EOH, SMFIP_NOEOH, SMFIP_NR_EOH, login, NULL, 0);
	atomic_fetch_add(&load.header_nanoseconds, (long)(nanoseconds() - start));
	if (end != SMFIR_CONTINUE) {
		if (end != SMFIR_ACCEPT)
			fail("not accepted");
		atomic_fetch_add(&load.header_ends, 1);
		return;
	}
	step(peer, SMFIC_BODY, SMFIP_NOBODY, SMFIP_NR_BODY, login, load.body, BODY_BYTES);
	end = step(peer, SMFIC_BODYEOB, 0, 0, login, NULL, 0);
	while (end != SMFIR_CONTINUE && end != SMFIR_ACCEPT) {
		if (end == SMFIR_TEMPFAIL || end == SMFIR_REJECT)
			fail("refused");
		end = answer(peer);
	}
	atomic_fetch_add(&load.message_ends, 1);
}

static void *
work(void *unused)
{
	struct peer *peer = malloc(sizeof(*peer));
	long number, on_this = 0;

	(void)unused;
	if (peer == NULL)
		fail("malloc");
	peer_open(peer);
	while ((number = atomic_fetch_add(&load.taken, 1)) < load.messages) {
		if (on_this++ == load.per_connection) {
			peer_close(peer);
			peer_open(peer);
			on_this = 1;
		}
		mail(peer, number);
		if (load.hold) {
			atomic_fetch_add(&load.open, 1);
			pause();
		}
	}
	peer_close(peer);
	free(peer);
	return NULL;
}

/* Waits with every connection open in the middle of a message. */
static int
hold_open(long connections)
{
	char byte;

	while (atomic_load(&load.open) < connections)
		usleep(10000);
	printf("open\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	return 0;
}

int
main(int argc, char **argv)
{
	long connections, i;
	pthread_t *threads;
	int64_t start;
	double seconds;

	if (argc < 6) {
		fprintf(stderr, "usage: load SOCKET CONNECTIONS MESSAGES PER SENDERS [hold]\n");
		return 64;
	}
	load.path = argv[1];
	connections = atol(argv[2]);
	load.messages = atol(argv[3]);
	load.per_connection = atol(argv[4]);
	load.senders = atol(argv[5]);
	load.hold = argc > 6;
	memset(load.body, 'x', sizeof(load.body));
	for (i = 78; i < BODY_BYTES; i += 80)
		memcpy(load.body + i, "\r\n", 2);
	threads = calloc((size_t)connections, sizeof(*threads));
	if (threads == NULL)
		fail("calloc");
	start = nanoseconds();
	for (i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			fail("pthread_create");
	if (load.hold)
		return hold_open(connections);
	for (i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	seconds = (double)(nanoseconds() - start) / 1e9;
	printf("%.0f %.1f %ld %ld\n", (double)load.messages / seconds,
	    (double)atomic_load(&load.header_nanoseconds) / 1e3 / (double)load.messages,
	    atomic_load(&load.header_ends), atomic_load(&load.message_ends));
	free(threads);
	return 0;
}
