# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Discord voice client for checking the local server: its own websocket, its own ciphers, nothing of the plugin."""

import base64
import ctypes
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

LIMIT = 60.0
SO_RCVBUFFORCE = 33
SODIUM = ctypes.CDLL("libsodium.so.23")
CRYPTO = ctypes.CDLL("libcrypto.so.3")
CRYPTO.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
CRYPTO.EVP_aes_256_gcm.restype = ctypes.c_void_p
SODIUM.sodium_init()


class Closed(Exception):
    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


class WebSocket:
    """RFC 6455, client side, over TLS."""

    def __init__(self, host, port, path, ca_file):
        context = ssl.create_default_context(cafile=ca_file)
        raw = socket.create_connection((host, port), LIMIT)
        self.sock = context.wrap_socket(raw, server_hostname=host)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self._more(LIMIT)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        assert b" 101 " in head.split(b"\r\n")[0], head

    def _more(self, limit):
        if not self.sock.pending() and not select.select([self.sock], [], [], limit)[0]:
            raise TimeoutError("nothing from the gateway")
        data = self.sock.recv(65536)
        if not data:
            raise Closed(1006)
        self.buffer += data

    def _take(self, count, limit):
        while len(self.buffer) < count:
            self._more(limit)
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def send(self, data, opcode=1):
        if isinstance(data, str):
            data = data.encode()
        mask = os.urandom(4)
        head = bytes([0x80 | opcode])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 65536:
            head += struct.pack(">BH", 0x80 | 126, len(data))
        else:
            head += struct.pack(">BQ", 0x80 | 127, len(data))
        self.sock.sendall(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(data)))

    def receive(self, limit=LIMIT):
        """Text as str, binary as bytes."""
        whole, kind = b"", 1
        while True:
            first, second = self._take(2, limit)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", self._take(2, LIMIT))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._take(8, LIMIT))[0]
            data = self._take(size, LIMIT)
            opcode = first & 15
            if opcode == 8:
                raise Closed(struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005)
            if opcode == 9:
                self.send(data, 10)
                continue
            if opcode == 10:
                continue
            kind = opcode or kind
            whole += data
            if first & 0x80:
                return whole.decode() if kind == 1 else whole

    def close(self, code=1000):
        try:
            self.send(struct.pack(">H", code), 8)
        except OSError:
            pass
        self.sock.close()

    def cut(self):
        self.sock.close()


class Gateway:
    """JSON messages of either gateway."""

    def __init__(self, url, path, ca_file):
        host, port = url.split("://")[-1].split("/")[0].split(":")
        self.ws = WebSocket(host, int(port), path, ca_file)
        self.seq = None

    def send(self, op, data):
        self.ws.send(json.dumps({"op": op, "d": data}))

    def receive(self, limit=LIMIT):
        message = self.ws.receive(limit)
        if isinstance(message, bytes):
            self.seq = struct.unpack(">H", message[:2])[0]
            return {"op": message[2], "binary": message[3:]}
        message = json.loads(message)
        if message.get("seq") is not None:
            self.seq = message["seq"]
        if message.get("s") is not None:
            self.seq = message["s"]
        return message

    def until(self, op=None, name=None, seen=None):
        while True:
            message = self.receive()
            if seen is not None:
                seen.append(message)
            if (op is None or message["op"] == op) and (name is None or message.get("t") == name):
                return message


def open_gcm(key, nonce, aad, sealed):
    context = ctypes.c_void_p(CRYPTO.EVP_CIPHER_CTX_new())
    out, size = ctypes.create_string_buffer(len(sealed)), ctypes.c_int()
    text, tag = sealed[:-16], sealed[-16:]
    CRYPTO.EVP_DecryptInit_ex(context, ctypes.c_void_p(CRYPTO.EVP_aes_256_gcm()), None, key, nonce)
    CRYPTO.EVP_DecryptUpdate(context, None, ctypes.byref(size), aad, len(aad))
    CRYPTO.EVP_DecryptUpdate(context, out, ctypes.byref(size), text, len(text))
    CRYPTO.EVP_CIPHER_CTX_ctrl(context, 0x11, 16, tag)
    good = CRYPTO.EVP_DecryptFinal_ex(context, out, ctypes.byref(size)) == 1
    CRYPTO.EVP_CIPHER_CTX_free(context)
    return out.raw[:len(text)] if good else None


def open_xchacha(key, nonce, aad, sealed):
    out, size = ctypes.create_string_buffer(len(sealed)), ctypes.c_ulonglong()
    bad = SODIUM.crypto_aead_xchacha20poly1305_ietf_decrypt(
        out, ctypes.byref(size), None, sealed, ctypes.c_ulonglong(len(sealed)), aad,
        ctypes.c_ulonglong(len(aad)), nonce, key)
    return None if bad else out.raw[:size.value]


def open_transport(mode, key, datagram, clear):
    if len(datagram) < clear + 20:
        return None
    suffix = datagram[-4:]
    if mode == "aead_aes256_gcm_rtpsize":
        return open_gcm(key, suffix + bytes(8), datagram[:clear], datagram[clear:-4])
    return open_xchacha(key, suffix + bytes(20), datagram[:clear], datagram[clear:-4])


class Packet:
    """An RTP packet whose tag was right."""

    def __init__(self, datagram, plain):
        self.pt, self.marker = datagram[1] & 127, datagram[1] >> 7
        self.seq, self.rtp, self.ssrc = struct.unpack(">HII", datagram[2:12])
        if datagram[0] & 0x10:
            words = struct.unpack(">H", datagram[12 + 4 * (datagram[0] & 15) + 2:][:2])[0]
            plain = plain[4 * words:]
        self.padding = plain[-1] if datagram[0] & 0x20 else 0
        self.payload = plain[:len(plain) - self.padding]


class Voice:
    """A whole voice session: gateway, discovery, media."""

    def __init__(self, main, endpoint, token, session_id, ca_file, guild, user, dave=0):
        self.ca_file, self.endpoint = ca_file, endpoint
        self.identity = {"server_id": guild, "session_id": session_id, "token": token}
        self.user, self.dave, self.messages = user, dave, []
        self.gateway = Gateway("wss://" + endpoint, "/?v=8", ca_file)
        self.main = main

    def identify(self, **changes):
        self.gateway.send(0, {**self.identity, "user_id": self.user, "max_dave_protocol_version": self.dave, **changes})

    def connect(self, mode):
        self.identify()
        ready = self.gateway.until(2, seen=self.messages)["d"]
        assert mode in ready["modes"], ready
        self.ssrc, self.peer, self.mode = ready["ssrc"], (ready["ip"], ready["port"]), mode
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        except PermissionError:
            self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.udp.connect(self.peer)
        self.udp.settimeout(LIMIT)
        self.udp.send(struct.pack(">HHI", 1, 70, self.ssrc) + bytes(66))
        answer = self.udp.recv(4096)
        assert len(answer) == 74 and answer[:8] == struct.pack(">HHI", 2, 70, self.ssrc), answer
        address, port = answer[8:72].split(b"\0")[0].decode(), struct.unpack(">H", answer[72:])[0]
        assert (address, port) == self.udp.getsockname(), (address, port)
        self.gateway.send(1, {"protocol": "udp", "data": {"address": address, "port": port, "mode": mode}})
        described = self.gateway.until(4, seen=self.messages)["d"]
        assert described["mode"] == mode and len(described["secret_key"]) == 32
        self.key = bytes(described["secret_key"])
        self.gateway.send(5, {"speaking": 0, "delay": 0, "ssrc": self.ssrc})
        return described

    def ping(self, number):
        self.udp.send(struct.pack(">II", 0x1337CAFE, number))

    def resume(self, seq_ack):
        self.gateway = Gateway("wss://" + self.endpoint, "/?v=8", self.ca_file)
        self.gateway.send(7, {**self.identity, "seq_ack": seq_ack})

    def receive(self, count, limit=LIMIT):
        """At least `count` datagrams, opened: RTP packets, RTCP compounds, pongs and the number of bad ones."""
        rtp, rtcp, pongs, bad = [], [], [], 0
        end = time.monotonic() + limit
        while len(rtp) < count and time.monotonic() < end:
            data = self.udp.recv(4096)
            if len(data) == 8:
                pongs.append(struct.unpack(">II", data))
            elif 192 <= data[1] <= 223:
                plain = open_transport(self.mode, self.key, data, 8)
                rtcp.append(data[:8] + plain) if plain is not None else None
                bad += plain is None
            else:
                clear = 12 + 4 * (data[0] & 15) + (4 if data[0] & 0x10 else 0)
                plain = open_transport(self.mode, self.key, data, clear)
                rtp.append(Packet(data, plain)) if plain is not None else None
                bad += plain is None
        return rtp, rtcp, pongs, bad


class Server:
    """The program, its events and commands."""

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.info = json.loads(self.process.stdout.readline())
        assert self.info["event"] == "listening", self.info
        self.events, self.replies, self.changed = [], [], threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            with self.changed:
                (self.replies if "ok" in event and "cmd" in event else self.events).append(event)
                self.changed.notify_all()

    def command(self, cmd, **fields):
        """The reply to it."""
        with self.changed:
            before = len(self.replies)
        self.process.stdin.write(json.dumps({"cmd": cmd, **fields}) + "\n")
        self.process.stdin.flush()
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.replies) > before, LIMIT), cmd
            return self.replies[before]

    def wait(self, name, having=lambda event: True, **fields):
        """The newest event of that name with these fields."""
        def found():
            return [e for e in self.events
                    if e["event"] == name and all(e.get(k) == v for k, v in fields.items()) and having(e)]
        with self.changed:
            assert self.changed.wait_for(found, LIMIT), f"no event {name} {fields} in {self.events}"
            return found()[-1]

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(LIMIT) == 0


def main_session(server, token=None):
    """Identified, with READY and GUILD_CREATE read."""
    info = server.info
    main = Gateway(info["gateway_url"], "/?v=10&encoding=json", info["ca_file"])
    hello = main.until(10)
    assert hello["d"]["heartbeat_interval"] > 0
    main.send(2, {"token": token or info["token"], "intents": 129,
                  "properties": {"os": "linux", "browser": "selftest", "device": "selftest"}})
    ready = main.until(0, "READY")["d"]
    guild = main.until(0, "GUILD_CREATE")["d"]
    return main, ready, guild


def join(server, main, ready, mode, dave=0):
    info = server.info
    main.send(4, {"guild_id": info["guild_id"], "channel_id": info["channel_id"], "self_mute": True, "self_deaf": False})
    state = update = None
    while state is None or update is None:
        message = main.receive()
        if message.get("t") == "VOICE_STATE_UPDATE" and message["d"]["user_id"] == ready["user"]["id"]:
            state = message["d"]
        elif message.get("t") == "VOICE_SERVER_UPDATE":
            update = message["d"]
    voice = Voice(main, update["endpoint"], update["token"], state["session_id"], info["ca_file"], info["guild_id"],
                  ready["user"]["id"], dave)
    hello = voice.gateway.until(8)
    assert hello["d"]["heartbeat_interval"] > 0
    described = voice.connect(mode)
    return voice, described
