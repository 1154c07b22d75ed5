#!/usr/bin/python3
"""What a person gets for a mistake: one error that says what happened, to what, and what to do."""
import re

from harness import Launch, Server, expect, run

TO_NOTHING = ["!", "discorddecrypt", "!", "fakesink"]


def errors_of(output):
    return re.findall(r"ERROR: from element (\S+?): (.*)$", output, re.M)


def one_error(server, changes=(), token=None, words=(), tail=TO_NOTHING, env=None):
    """Runs the line with the changed properties; expects exactly one error that has the words in it."""
    changed = {c.split("=", 1)[0] for c in changes}
    source = [a for a in server.source if a.split("=", 1)[0] not in changed]
    launch = Launch(source + list(changes) + list(tail), token or server.info["token"], env)
    try:
        output = launch.finish(expected=None)
    finally:
        launch.close()
    expect(launch.process.returncode != 0, "gst-launch ended as if all was well")
    errors = errors_of(output)
    expect(len(errors) == 1, f"{len(errors)} errors instead of one: {output[-1500:]}")
    text = output[output.index("ERROR: from element"):].lower()
    for word in words:
        expect(word.lower() in text, f"{word!r} is not in: {text[:600]}")
    return errors[0][1]


def wrong_token(_):
    with Server() as server:
        text = one_error(server, token="wrong.token.value", words=("token",))
        stats = server.ask("stats", "stats")
        expect(stats["identifies"] <= 1 and stats["connections"] <= 1, f"it tried again: {stats}")
        print(f"# {text}")


def unknown_guild(_):
    with Server() as server:
        print("#", one_error(server, ("guild-id=123456789012345678", "timeout=5000000000"), words=("123456789012345678",)))


def unknown_channel(_):
    with Server() as server:
        print("#", one_error(server, ("channel-id=123456789012345679", "timeout=5000000000"), words=("123456789012345679",)))


def full_channel(_):
    with Server("--option", "join-answer=false") as server:
        print("#", one_error(server, ("timeout=3000000000",), words=("full", "permission")))


def not_an_id(_):
    with Server() as server:
        print("#", one_error(server, ("guild-id=my-guild",), words=("my-guild",)))


def unreachable(_):
    with Server() as server:
        print("#", one_error(server, ("gateway-url=wss://localhost:1",), words=("localhost:1",)))


def no_such_host(_):
    with Server() as server:
        print("#", one_error(server, ("gateway-url=wss://no-such-host.invalid",), words=("no-such-host.invalid",)))


def certificate(kind):
    def test(_):
        with Server("--certificate", kind) as server:
            text = one_error(server, words=("certificate",))
            stats = server.ask("stats", "stats")
            expect(stats["identifies"] == 0, "something was sent to a server that is not trusted")
            print("#", text)
    return test


def missing_token(_):
    with Server() as server:
        launch = Launch(server.source + TO_NOTHING, None)
        output = launch.finish(expected=None)
        expect(len(errors_of(output)) == 1 and "DISCORD_TOKEN" in output, output[-800:])


def worker_missing(_):
    with Server() as server:
        print("#", one_error(server, env={"GST_DISCORD_WORKER": "/nonexistent/worker"}, words=("/nonexistent/worker",)))


def worker_of_another_kind(_):
    with Server() as server:
        print("#", one_error(server, env={"GST_DISCORD_WORKER": "/bin/true"}, words=("/bin/true",)))


def unwritable(directory):
    with Server() as server:
        tail = ["!", "discorddecrypt", "!", "discordfilesink", f"location={directory}/no-such-directory/%u.wav"]
        print("#", one_error(server, tail=tail, words=("no-such-directory",)))


def dave_is_demanded(_):
    with Server("--dave", "1") as server:
        print("#", one_error(server, ("max-dave-version=0",), words=("end-to-end",)))


run([
    ("a wrong token: one error, one try", wrong_token),
    ("an unknown guild", unknown_guild),
    ("an unknown channel", unknown_channel),
    ("a channel that does not let us in", full_channel),
    ("a guild id that is none", not_an_id),
    ("an unreachable gateway", unreachable),
    ("a gateway whose name does not resolve", no_such_host),
    ("an expired certificate", certificate("expired")),
    ("a certificate for another host", certificate("wrong-host")),
    ("a self-signed certificate", certificate("self-signed")),
    ("no token", missing_token),
    ("no worker executable", worker_missing),
    ("a worker that is none", worker_of_another_kind),
    ("a location that can not be written", unwritable),
    ("a call that demands end-to-end encryption", dave_is_demanded),
])
