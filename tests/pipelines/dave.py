#!/usr/bin/python3
"""End-to-end encrypted calls: people come and go, keys change, and nothing authentic is lost."""
import json

from audio import Reference, expect_exact, read_truth
from harness import Launch, Server, decode_to_pcm, expect, run
from inside import Pipeline, expect_closed

PACKETS = 120


def call(directory, during, faults=None, options=(), decrypt="decode=false", speakers=3):
    """A call of several speakers; `during` changes it; gives what was sent, what came, and the account."""
    truth = directory / "truth.jsonl"
    with Server("--dave", "1", "--speakers", str(speakers), "--truth", str(truth), "--faults", json.dumps(faults or {}),
                "--option", "rtcp-interval-ms=0", *options) as server:
        with Pipeline(server, decrypt, "rtpjitterreorder name=reorder latency=3000", collect=True) as pipeline:
            pipeline.play().wait_message("discordvoicesrc-connected")
            server.talk_a_while(PACKETS)
            during(server, pipeline)
            talk_on(server, PACKETS)
            server.hush()
            all_arrived(server, pipeline)
            pipeline.end()
            return read_truth(truth), list(pipeline.packets), pipeline.stats(), pipeline.messages


def all_arrived(server, pipeline):
    """Nothing is on its way to the source any more, or waits in its socket."""
    def arrived(stats):
        source = pipeline.stats(pipeline.source)
        return source["received"] + source["socket-drops"] >= max(s["sent_datagrams"] for s in stats["sessions"])

    server.stats_when(arrived, "the source to receive all that was sent")


def talk_on(server, packets=PACKETS):
    """Until each of those who talk has sent so many packets more."""
    had = {s["user_id"]: s["sent"] for s in server.ask("stats", "stats")["speakers"]}
    server.stats_when(
        lambda now: all(s["sent"] >= had.get(s["user_id"], 0) + packets for s in now["speakers"] if s["talking"]),
        f"{packets} packets more")


def expect_nothing_lost(truth, heard, stats):
    """All that was sent is delivered or, if sealed before this member was welcomed, counted as such."""
    expect_closed(stats)
    got = set(heard)
    sent = [p for p in truth if p.fault not in ("dropped", "corrupted", "truncated")]
    missing = [p for p in sent if (p.ssrc, p.seq, p.opus) not in got]
    expect(len(missing) == stats["drop-not-entitled"],
           f"{len(missing)} of {len(sent)} are missing, {stats['drop-not-entitled']} of them not entitled: {stats}")
    if missing:
        first = {p.ssrc: p.sent_ns for p in reversed(sent) if (p.ssrc, p.seq, p.opus) in got}
        late = [p for p in missing if p.sent_ns > first.get(p.ssrc, 0)]
        expect(not late, f"{len(late)} packets were lost after the first one came")
    unknown = [k for k, v in stats.items() if k.startswith("drop-") and v and k not in ("drop-not-entitled", "drop-duplicate")]
    expect(not unknown, f"drops: { {k: stats[k] for k in unknown} }")
    print(f"# {len(sent)} packets, {len(missing)} from before the welcome")


def recorded_exactly(directory):
    reference = directory / "reference"
    with Server("--dave", "1", "--speakers", "3", "--reference", str(reference)) as server:
        launch = Launch(server.source + ["!", "discorddecrypt", "!", "discordfilesink", f"location={directory}/%u.wav"],
                        server.info["token"])
        try:
            launch.wait_for("discordvoicesrc-epoch")
            server.talk_a_while(150)
            server.hush()
            launch.interrupt()
            launch.finish()
        finally:
            launch.close()
        server.ask("stats", "stats")
        for speaker in server.info["speakers"]:
            user = speaker["user_id"]
            expect_exact(decode_to_pcm(directory / f"{user}.wav"), Reference.read(reference, user), user)


def steady(directory):
    truth, heard, stats, messages = call(directory, lambda server, pipeline: None)
    expect_nothing_lost(truth, heard, stats)
    epochs = [m for m in messages if m.get_name() == "discordvoicesrc-epoch"]
    expect(epochs and len(epochs[-1].get_string("privacy-code").replace(" ", "")) == 30, "no privacy code was told")


def bad_network(directory):
    truth, heard, stats, _ = call(directory, lambda server, pipeline: None,
                                  {"loss": 5, "reorder": 5, "duplicate": 2, "padding": 10, "extension": 50})
    expect_nothing_lost(truth, heard, stats)


def people_come_and_go(directory):
    def during(server, _):
        for _turn in range(6):
            server.command("add-user")
            talk_on(server, 25)
            server.command("epoch")
            talk_on(server, 25)
        for speaker in server.ask("stats", "stats")["speakers"][3:]:
            server.command("remove-user", user=speaker["user_id"])
            talk_on(server, 15)

    truth, heard, stats, messages = call(directory, during)
    expect_nothing_lost(truth, heard, stats)
    epochs = [m for m in messages if m.get_name() == "discordvoicesrc-epoch"]
    expect(len(epochs) >= 12, f"only {len(epochs)} epochs were told")


def version_changes(directory):
    def during(server, _):
        server.command("downgrade")
        talk_on(server)
        server.command("upgrade")
        talk_on(server)

    expect_nothing_lost(*call(directory, during)[:3])


def everybody_starts_anew(directory):
    def during(server, _):
        server.command("epoch", how="reset")
        talk_on(server)

    truth, heard, stats, _ = call(directory, during)
    expect_closed(stats)
    tail_is_there(truth, heard)


def commit_is_damaged(command):
    def test(directory):
        def during(server, _):
            server.command(command)
            server.command("epoch")
            talk_on(server, 200)

        truth, heard, stats, _ = call(directory, during)
        expect_closed(stats)
        tail_is_there(truth, heard)
    return test


def tail_is_there(truth, heard, count=60):
    """The last packets of every speaker came: audio goes on."""
    got = set(heard)
    for ssrc in {p.ssrc for p in truth}:
        last = [p for p in truth if p.ssrc == ssrc][-count:]
        missing = [p.seq for p in last if (p.ssrc, p.seq, p.opus) not in got]
        expect(not missing, f"SSRC {ssrc}: {len(missing)} of the last {len(last)} packets are missing")


def decoded_through_workers(directory):
    def during(server, _):
        for _turn in range(4):
            server.command("epoch")
            talk_on(server, 40)

    truth, _, stats, _ = call(directory, during, {"padding": 10}, decrypt="latency=1000")
    expect_closed(stats)
    expect(stats["delivered"] + stats["drop-not-entitled"] == len(truth), f"{len(truth)} were sent: {stats}")


if __name__ == "__main__":
    run([
        ("three speakers recorded to the bit", recorded_exactly),
        ("nothing happens: nothing is lost, the privacy code is told", steady),
        ("a bad network", bad_network),
        ("people come and go, keys change", people_come_and_go),
        ("version 1, 0, 1", version_changes),
        ("everybody starts anew (epoch 1)", everybody_starts_anew),
        ("a damaged commit: back by op 31", commit_is_damaged("invalid-commit")),
        ("a repeated commit is ignored", commit_is_damaged("stale-commit")),
        ("decoded in workers while keys change", decoded_through_workers),
    ])
