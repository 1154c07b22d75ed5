// SPDX-License-Identifier: LGPL-2.1-or-later
// Members of calls by @snazzah/davey, wired the way @discordjs/voice does it. One JSON line in
// ({member, do, ...}), one out ({answers, value} or {error}). Usage: node davey_host.mjs MODULES_DIR
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.argv[2]}/`);
const { DAVESession, MediaType } = require('@snazzah/davey');

const hex = (buffer) => (buffer ? Buffer.from(buffer).toString('hex') : '');
const bytes = (text) => Buffer.from(text ?? '', 'hex');

class Member {
  constructor(user, channel) {
    this.user = user;
    this.channel = channel;
    this.version = 0;
    this.session = null;
    this.externalSender = null;
    this.recognised = new Set();
    this.pending = new Map();
    this.downgraded = false;
  }

  reinit(version) {
    if (this.session) this.session.reinit(version, this.user, this.channel);
    else this.session = new DAVESession(version, this.user, this.channel);
    return [{ op: 26, payload: hex(this.session.getSerializedKeyPackage()) }];
  }

  describe({ version }) {
    this.version = version;
    return version > 0 ? this.reinit(version) : [];
  }

  connect({ users }) {
    users.forEach((user) => this.recognised.add(user));
    return [];
  }

  disconnect({ user }) {
    this.recognised.delete(user);
    return [];
  }

  prepare({ id, version }) {
    this.pending.set(id, version);
    if (id === 0) return this.execute({ id });
    if (version === 0) this.session?.setPassthroughMode(true, 24);
    return [{ op: 23, transition_id: id }];
  }

  execute({ id }) {
    if (!this.pending.has(id)) return [];
    const before = this.version;
    this.version = this.pending.get(id);
    this.pending.delete(id);
    if (before !== this.version && this.version === 0) {
      this.downgraded = true;
    } else if (id > 0 && this.downgraded) {
      this.downgraded = false;
      this.session?.setPassthroughMode(true, 10);
    }
    return [];
  }

  epoch({ version, epoch }) {
    if (epoch !== 1) return [];
    this.version = version;
    return this.reinit(version);
  }

  joined(id) {
    if (id === 0) return [];
    this.pending.set(id, this.version);
    return [{ op: 23, transition_id: id }];
  }

  failed(id) {
    return [{ op: 31, transition_id: id }, ...this.reinit(this.version)];
  }

  binary({ op, payload }) {
    const data = bytes(payload);
    if (op === 25) {
      this.session.setExternalSender(data);
      return [];
    }
    if (op === 27) {
      const { commit, welcome } = this.session.processProposals(data.readUInt8(0), data.subarray(1), [
        ...this.recognised,
        this.user,
      ]);
      return commit ? [{ op: 28, payload: hex(commit) + hex(welcome) }] : [];
    }
    const id = data.readUInt16BE(0);
    try {
      if (op === 29) this.session.processCommit(data.subarray(2));
      else this.session.processWelcome(data.subarray(2));
    } catch (error) {
      process.stderr.write(`member ${this.user}: op ${op}: ${error.message}\n`);
      return this.failed(id);
    }
    return this.joined(id);
  }

  seal({ media }) {
    const data = bytes(media);
    if (this.version === 0) return hex(data);
    return this.session?.ready ? hex(this.session.encryptOpus(data)) : '';
  }

  open({ from, frame }) {
    const data = bytes(frame);
    const able = this.session?.ready && (this.version !== 0 || this.session.canPassthrough(from));
    if (!able) return this.version === 0 ? hex(data) : '';
    return hex(this.session.decrypt(from, MediaType.AUDIO, data));
  }

  authenticator() {
    return hex(this.session?.getEpochAuthenticator());
  }

  code() {
    return this.session?.voicePrivacyCode ?? '';
  }

  async fingerprint({ user }) {
    return this.session.getVerificationCode(user);
  }
}

const valued = new Set(['seal', 'open', 'authenticator', 'code', 'fingerprint']);
const members = new Map();

async function handle(request) {
  const { member } = request;
  if (request.do === 'new') {
    members.set(member, new Member(request.user, request.channel));
    return {};
  }
  if (request.do === 'delete') {
    members.delete(member);
    return {};
  }
  const result = await members.get(member)[request.do](request);
  return valued.has(request.do) ? { value: result } : { answers: result };
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let reply;
  try {
    reply = await handle(JSON.parse(line));
  } catch (error) {
    reply = { error: String(error.message) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
