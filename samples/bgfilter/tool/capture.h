/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the packets come from: a capture file or an interface.
 */
#ifndef BGFILTER_CAPTURE_H
#define BGFILTER_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <pcap/pcap.h>

#define MAX_SNAPLEN	262144		/* libpcap's own limit for most link types */

struct capture {
	const char *name;	/* of the file or the interface */
	pcap_t *pcap;
	pcap_dumper_t *dumper;	/* -w, or NULL */
	const char *write_path;
	bool live;
	bool counted;			/* the kernel says how many it dropped */
	uint32_t dropped_before;	/* while nobody was to listen yet */
};

/* What to open an interface with. */
struct live_options {
	const char *interface;
	const char *link;	/* -y, or NULL */
	uint64_t snaplen;
	bool not_promiscuous;
};

/* One packet as libpcap has it, valid until the next. */
struct packet {
	const struct pcap_pkthdr *header;
	const uint8_t *data;
	uint32_t cap_len;
	uint32_t wire_len;	/* any number: a file may say anything */
};

/* Return: EXIT_*, after a message that names the file or the interface. */
int capture_open_file(struct capture *capture, const char *path);
int capture_open_live(struct capture *capture,
		      const struct live_options *options);

/* Makes the file of -w.  Return: EXIT_*. */
int capture_write(struct capture *capture, const char *path);

/*
 * Throws away what an interface had while the filters were compiled, and has begun to
 * drop.  Return: EXIT_*.
 */
int capture_begin(struct capture *capture);

/* How many packets of an interface the kernel had no room for.  False if it does not say. */
bool capture_dropped(struct capture *capture, uint32_t *count);

/* The netmask of the interface, in host byte order; 0 if it has none, or a file. */
bpf_u_int32 capture_netmask(const struct capture *capture);

/* Return: 1 with *@packet, 0 at the end or on a signal, -EXIT_* on an error. */
int capture_next(struct capture *capture, struct packet *packet);

/* Writes it to the file of -w, if there is one.  Return: EXIT_*. */
int capture_dump(struct capture *capture, const struct packet *packet);

/* Return: EXIT_*; the file of -w may have failed. */
int capture_close(struct capture *capture);

/* The DLT_* of @name, as tcpdump -y takes it; -1 after a message. */
int link_by_name(const char *name);

#endif /* BGFILTER_CAPTURE_H */
