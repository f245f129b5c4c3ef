/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Long programs, for work that is to take a while.
 */
#ifndef BGFILTER_GEN_H
#define BGFILTER_GEN_H

#include <stdint.h>
#include <sys/types.h>

#include <pcap/bpf.h>

#define GEN_PACKET_LEN	128

/*
 * Fills @insns with a valid program of exactly @len instructions: loads,
 * arithmetic, scratch memory, short jumps, and a return at the end.  @seed
 * varies it.  Nearly all of it runs on a packet of GEN_PACKET_LEN bytes or more.
 */
void gen_program(struct bpf_insn *insns, uint32_t len, uint32_t seed);

/*
 * Fills @insns with what libpcap makes of a long chain of hosts and ports: a load
 * and a compare, over and over.  No other program takes as long to compile.
 */
void gen_chain(struct bpf_insn *insns, uint32_t len, uint32_t seed);

/* Fills @packet with an Ethernet frame: IPv4, TCP, and a payload that counts. */
void gen_packet(uint8_t packet[GEN_PACKET_LEN]);

#endif /* BGFILTER_GEN_H */
