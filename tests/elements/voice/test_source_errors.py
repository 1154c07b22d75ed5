# SPDX-License-Identifier: LGPL-2.1-or-later
"""discordvoicesrc when it can not work: one error each, with its own text, and nothing left behind."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from source import Gst, Source, check_one_end, expect, run, server  # noqa: E402

RESOURCE = Gst.ResourceError
IDS = {"guild_id": "81384788765712384", "channel_id": "81384788765712385"}


def check_error(source, code, text):
    error = source.wait_for_error()
    source.stop()
    expect(len(source.errors()) == 1, f"{len(source.errors())} errors: {source.errors()}")
    expect(error.matches(RESOURCE.quark(), code), f"{error.code} is not {code}: {error.message}")
    expect(text in error.message, f"'{text}' is not in: {error.message}")


def refused_at_start(code, text, **properties):
    with Source(None, **properties) as source:
        expect(source.play() == Gst.StateChangeReturn.FAILURE, "the state change fails")
        check_error(source, code, text)
        expect(not source.named("ended"), "nothing had begun")


def test_settings_are_checked_before_anything_is_sent(directory):
    bad_file = directory / "token"
    bad_file.write_text("two words\n")
    os.environ.pop("DISCORD_TOKEN", None)
    token = {"token": "abc.def"}
    refused_at_start(RESOURCE.SETTINGS, "guild-id", **token)
    refused_at_start(RESOURCE.SETTINGS, "channel-id", guild_id="1", **token)
    refused_at_start(RESOURCE.SETTINGS, "digits", guild_id="my guild", channel_id="1", **token)
    refused_at_start(RESOURCE.SETTINGS, "digits", guild_id="1", channel_id="99999999999999999999", **token)
    refused_at_start(RESOURCE.SETTINGS, "No bot token", **IDS)
    refused_at_start(RESOURCE.SETTINGS, "no bot token", token_file=str(bad_file), **IDS)
    refused_at_start(RESOURCE.OPEN_READ, "token file", token_file=str(directory / "none"), **IDS)
    refused_at_start(RESOURCE.SETTINGS, "no bot token has", token="a b", **IDS)
    refused_at_start(RESOURCE.SETTINGS, "wss://", gateway_url="http://localhost/", **IDS, **token)
    refused_at_start(RESOURCE.SETTINGS, "wss://", gateway_url="wss://me:secret@localhost/", **IDS, **token)
    refused_at_start(RESOURCE.SETTINGS, "ca-file", ca_file=str(directory / "none.pem"), **IDS, **token)
    refused_at_start(RESOURCE.SETTINGS, "ca-file", ca_file=str(bad_file), **IDS, **token)


def test_wrong_token_makes_exactly_one_identify(directory):
    with server() as served, Source(served.info, token="wrong.token") as source:
        source.play()
        check_error(source, RESOURCE.NOT_AUTHORIZED, "token")
        check_one_end(source, "bad-token", fatal=True)
        served.event("closed", gateway="main", code=4004)
        expect(served.count("identify") == 1, "one Identify")


def test_unknown_guild_and_channel(directory):
    with server() as served:
        with Source(served.info, guild_id="123456") as source:
            source.play()
            check_error(source, RESOURCE.NOT_FOUND, "guild")
            check_one_end(source, "guild-removed", fatal=True)
        with Source(served.info, channel_id="123456") as source:
            source.play()
            check_error(source, RESOURCE.NOT_FOUND, "channel")
            check_one_end(source, "unknown-channel", fatal=True)


def test_join_that_is_not_answered(directory):
    with server("--option", "join-answer=false") as served, Source(served.info, timeout=2 * Gst.SECOND) as source:
        source.play()
        check_error(source, RESOURCE.NOT_AUTHORIZED, "permission")
        check_one_end(source, "no-answer", fatal=True)


def test_end_to_end_encryption_required(directory):
    with server("--dave", "1") as served, Source(served.info) as source:
        source.play()
        check_error(source, RESOURCE.SETTINGS, "DAVE")
        check_one_end(source, "dave-required", fatal=True)


def test_bad_certificates(directory):
    for kind, text in (("expired", "expired"), ("not-yet-valid", "not valid yet"), ("wrong-host", "another host name"),
                       ("self-signed", "trusted authority"), ("unknown-ca", "trusted authority"), ("weak", "weak")):
        with server("--certificate", kind) as served, Source(served.info) as source:
            source.play()
            check_error(source, RESOURCE.OPEN_READ, text)
            check_one_end(source, "tls-failed", fatal=True)
            expect(served.count("identify") == 0, "nothing was sent")


def test_unreachable_gateway(directory):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"wss://localhost:{listener.getsockname()[1]}"
        with Source(None, gateway_url=url, token="a.b", timeout=Gst.SECOND, **IDS) as source:
            source.play()
            check_error(source, RESOURCE.OPEN_READ, "refused")
            check_one_end(source, "main-unreachable", fatal=True)
        listener.listen(4)
        with Source(None, gateway_url=url, token="a.b", timeout=Gst.SECOND, **IDS) as source:
            source.play()
            check_error(source, RESOURCE.OPEN_READ, "within the timeout")
            check_one_end(source, "main-unreachable", fatal=True)
    with Source(None, gateway_url="wss://no-such-host.invalid", token="a.b", timeout=Gst.SECOND, **IDS) as source:
        source.play()
        check_error(source, RESOURCE.OPEN_READ, "resolved")


def test_uri(directory):
    element = Gst.ElementFactory.make("discordvoicesrc")
    expect(element.get_uri() is None, "no URI yet")
    expect(element.set_uri("discord://12/34"), "a good one")
    expect(element.get_property("guild-id") == "12" and element.get_property("channel-id") == "34", "ids")
    expect(element.get_uri() == "discord://12/34", element.get_uri())
    for bad in ("discord://", "discord://12", "discord://12/", "discord://a/b", "discord://12/34/56", "discord://-1/2",
                "discord://token@12/34", "discord://0/1"):
        try:
            element.set_uri(bad)
        except Exception:
            continue
        expect(False, f"{bad} was accepted")


def test_secrets_can_not_be_read_back(directory):
    element = Gst.ElementFactory.make("discordvoicesrc")
    for name in ("token", "voice-token", "session-id"):
        spec = element.find_property(name)
        expect(not spec.flags & 1, f"{name} is readable")


run([(name[5:], function) for name, function in sorted(globals().items()) if name.startswith("test_")])
