/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the packets come from: a capture file or an interface.
 */
#ifndef BGFILTER_CAPTURE_H
#define BGFILTER_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <pcap/pcap.h>

struct capture {
	const char *name;	/* of the file or the interface */
	pcap_t *pcap;
	pcap_dumper_t *dumper;	/* -w, or NULL */
	bool live;
};

/* One packet, valid until the next. */
struct packet {
	const uint8_t *data;
	uint32_t cap_len;	/* at most BGFILTER_MAX_PACKET */
	uint32_t wire_len;
	bool cut;		/* more was captured than cap_len */
};

/* Return: EXIT_*, after a message that names the file or the interface. */
int capture_open_file(struct capture *capture, const char *path);
int capture_open_live(struct capture *capture, const char *interface,
		      const char *write_path);

/* Return: 1 with *@packet, 0 at the end or on a signal, -EXIT_* on an error. */
int capture_next(struct capture *capture, struct packet *packet);

/* Return: EXIT_*; the file of -w may have failed. */
int capture_close(struct capture *capture);

#endif /* BGFILTER_CAPTURE_H */
