#!/usr/bin/python3
"""Loss, reordering, duplicates, padding, extensions, wraps, rubbish: what came in time comes out, once, in order."""
import itertools
import json
import os
from collections import defaultdict

from audio import read_truth
from harness import Server, expect, run, wait_until
from inside import Pipeline, expect_closed

BAD_NETWORK = {"loss": 5, "reorder": 5, "duplicate": 2, "padding": 10, "extension": 50, "seed": 7,
               "start-seq": 65500, "start-rtp": 4294967000}


QUEUED = 8192  # half of what a live pool has waiting before it sheds


def packets_and_truth(directory, faults, during=None, decrypt="decode=false", packets=250):
    truth = directory / "truth.jsonl"
    # Without RTCP, `delivered` counts nothing but speech.
    with Server("--speakers", "3", "--truth", str(truth), "--faults", json.dumps(faults),
                "--option", "rtcp-interval-ms=0") as server:
        with Pipeline(server, decrypt, "rtpjitterreorder name=reorder latency=1000", collect=True) as pipeline:
            pipeline.play().wait_message("discordvoicesrc-connected")
            server.talk_a_while(packets)
            if during:
                during(server, pipeline)
            server.hush()
            network = server.ask("stats", "stats")["speakers"]
            pipeline.end()
            return read_truth(truth), list(pipeline.packets), pipeline.stats(), network, pipeline.stats(pipeline.source)


def expect_all_in_order(truth, heard):
    got = defaultdict(list)
    for ssrc, seq, payload in heard:
        got[ssrc].append((seq, payload))
    sent = defaultdict(list)
    for p in truth:
        if p.fault not in ("dropped", "corrupted", "truncated"):
            sent[p.ssrc].append((p.seq, p.opus))
    expect(sent, "nothing was sent")
    for ssrc, packets in sent.items():
        first = got[ssrc][0][0] if got[ssrc] else None
        order = [(seq - first) % 65536 for seq, _ in got[ssrc]]
        expect(order == sorted(order), f"SSRC {ssrc}: out of order")
        expect(len(set(order)) == len(order), f"SSRC {ssrc}: something came twice")
        missing = set(packets) - set(got[ssrc])
        expect(not missing, f"SSRC {ssrc}: {len(missing)} of {len(packets)} packets are missing")
        expect(len(got[ssrc]) == len(packets), f"SSRC {ssrc}: {len(got[ssrc])} came, {len(packets)} were sent")


def bad_network(directory):
    truth, heard, stats, network, _ = packets_and_truth(directory, BAD_NETWORK)
    expect_closed(stats)
    expect_all_in_order(truth, heard)
    suffered = {what: sum(s[what] for s in network) for what in ("dropped", "reordered", "duplicated", "padded")}
    expect(min(suffered.values()) > 5, f"the network was too good: {suffered}")
    print(f"# {len(truth)} packets arrived; {suffered}; account {stats}")


def bad_network_decoded(directory):
    truth, _, stats, _, _ = packets_and_truth(directory, BAD_NETWORK, decrypt="decode=true latency=1000")
    expect_closed(stats)
    arrived = sum(1 for p in truth if p.fault != "dropped")
    expect(stats["delivered"] == arrived, f"{arrived} arrived, {stats['delivered']} were delivered: {stats}")


def received(source):
    return source["received"] + source["udp-unexpected"]


def rubbish(directory):
    """Poured in as fast as it is judged: a flood beyond that may push out speech, and is counted as overload."""
    kinds = ("random", "short", "truncated", "forged", "rtcp", "foreign", "video")
    amount = 1_000_000 if os.environ.get("DV_LONG") else 10_000
    portion = 1000
    poured = 0

    def pour(server, pipeline):
        nonlocal poured
        for kind in itertools.cycle(kinds):
            if poured >= amount:
                return
            server.command("garbage", kind=kind, count=portion, seed=poured)
            poured += server.event("reply", cmd="garbage")["sent"]
            arrived = poured

            def taken():
                source = pipeline.stats(pipeline.source)
                return received(source) >= arrived and source["queued"] == 0 and pipeline.stats()["pending"] < QUEUED
            wait_until(taken, f"{arrived} datagrams")

    truth, heard, stats, _, source = packets_and_truth(directory, {}, during=pour)
    expect_closed(stats)
    expect_closed({"pending": source.pop("queued", 0), **source})
    expect(source["drop-overflow"] == stats["drop-overload"] == 0, f"more was poured in than judged: {source} {stats}")
    expect_all_in_order(truth, heard)
    bad = received(source) - stats["delivered"]
    expect(bad >= poured, f"{poured} pieces were poured in, {bad} were counted: {source} {stats}")
    print(f"# {poured} pieces of rubbish, {bad} counted, {stats['delivered']} packets delivered: {source} {stats}")


if __name__ == "__main__":
    run([
        ("a bad network, opened only: everything that arrived, once, in order", bad_network),
        ("a bad network, decoded: the account closes", bad_network_decoded),
        ("rubbish is counted and harms nobody", rubbish),
    ])
