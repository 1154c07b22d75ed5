// SPDX-License-Identifier: LGPL-2.1-or-later
// A bot on @discordjs/voice. Usage: node voice_client.mjs MODULES GATEWAY_URL TOKEN GUILD CHANNEL
// (the private CA comes by NODE_EXTRA_CA_CERTS). JSON lines on stdin: {"do":"listen","users":[..]},
// {"do":"speak","packets":[hex..]}, {"do":"leave"}; on stdout: {"event":"status"|"heard"|"spoken"|...}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

const [modules, gatewayUrl, token, guildId, channelId] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const WebSocket = require('ws');
const voice = require('@discordjs/voice');

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

class MainGateway {
  constructor() {
    this.seq = null;
    this.adapters = new Map();
    this.socket = new WebSocket(`${gatewayUrl}/?v=10&encoding=json`);
    this.socket.on('message', (data) => this.receive(JSON.parse(data.toString())));
    this.socket.on('close', (code) => say({ event: 'main-closed', code }));
    this.socket.on('error', (error) => say({ event: 'error', where: 'main', what: String(error) }));
    this.ready = new Promise((resolve) => {
      this.resolveReady = resolve;
    });
  }

  send(op, d) {
    this.socket.send(JSON.stringify({ op, d }));
  }

  receive({ op, d, s, t }) {
    if (s !== null && s !== undefined) this.seq = s;
    if (op === 10) {
      setInterval(() => this.send(1, this.seq), d.heartbeat_interval).unref();
      this.send(2, { token, intents: 129, properties: { os: 'linux', browser: 'interop', device: 'interop' } });
    }
    if (t === 'READY') this.user = d.user.id;
    if (t === 'GUILD_CREATE' && d.id === guildId) this.resolveReady();
    const adapter = this.adapters.get(d?.guild_id);
    if (t === 'VOICE_SERVER_UPDATE') adapter?.onVoiceServerUpdate(d);
    if (t === 'VOICE_STATE_UPDATE' && d.user_id === this.user) adapter?.onVoiceStateUpdate(d);
  }

  adapterCreator = (methods) => {
    this.adapters.set(guildId, methods);
    return {
      sendPayload: (payload) => {
        this.socket.send(JSON.stringify(payload));
        return true;
      },
      destroy: () => this.adapters.delete(guildId),
    };
  };
}

const AUDIO = 120;

/** Says what the library's receiver makes of each datagram: whose silence has which reason. */
function watch(receiver) {
  let frame;
  const { onUdpMessage, parsePacket } = receiver;
  receiver.parsePacket = (...given) => {
    frame = parsePacket.apply(receiver, given);
    return frame;
  };
  receiver.onUdpMessage = (datagram) => {
    frame = undefined;
    const audio = datagram.length > 12 && (datagram[1] & 127) === AUDIO;
    const ssrc = audio ? datagram.readUInt32BE(8) : 0;
    const user = receiver.ssrcMap.get(ssrc)?.userId;
    const subscribed = receiver.subscriptions.has(user);
    onUdpMessage(datagram);
    if (!audio) return;
    let fate = 'heard';
    if (user === undefined) fate = 'ssrc-unknown';
    else if (!subscribed) fate = 'not-subscribed';
    else if (!frame) fate = 'not-opened';
    say({ event: 'datagram', ssrc, seq: datagram.readUInt16BE(2), fate });
  };
}

const main = new MainGateway();
await main.ready;
say({ event: 'main-ready', user: main.user });
const connection = voice.joinVoiceChannel({
  guildId,
  channelId,
  selfDeaf: false,
  selfMute: false,
  debug: true,
  adapterCreator: main.adapterCreator,
});
watch(connection.receiver);
connection.on('stateChange', (_, state) => say({ event: 'status', status: state.status }));
connection.on('debug', (what) => say({ event: 'debug', what }));
connection.on('error', (error) => say({ event: 'error', where: 'voice', what: String(error) }));

const actions = {
  listen({ users }) {
    for (const user of users) {
      const stream = connection.receiver.subscribe(user, { end: { behavior: voice.EndBehaviorType.Manual } });
      stream.on('data', (packet) => say({ event: 'heard', user, opus: packet.toString('hex') }));
      stream.on('error', (error) => say({ event: 'error', where: user, what: String(error) }));
    }
    say({ event: 'listening' });
  },
  speak({ packets }) {
    const player = voice.createAudioPlayer({ behaviors: { noSubscriber: voice.NoSubscriberBehavior.Stop } });
    player.on('error', (error) => say({ event: 'error', where: 'player', what: String(error) }));
    player.on(voice.AudioPlayerStatus.Idle, () => say({ event: 'spoken' }));
    connection.subscribe(player);
    const frames = Readable.from(packets.map((packet) => Buffer.from(packet, 'hex')));
    player.play(voice.createAudioResource(frames, { inputType: voice.StreamType.Opus }));
  },
  leave() {
    connection.destroy();
    say({ event: 'left' });
    // Closed only after what was to be sent has been.
    main.socket.once('close', () => process.exit(0));
    main.socket.close(1000);
  },
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line);
    actions[command.do](command);
  })
  .on('close', () => process.exit(0));
