// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>

#include "ext/chain/verdict.hpp"
#include "ext/crypto/key_store.hpp"
#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv {

namespace chain {
class DecoderBudget;
}

enum class SampleFormat : std::uint8_t { s16, f32 };

struct ChainConfig {
  bool decode = true;  ///< false: decrypted Opus in RTP leaves in order of arrival
  SampleFormat format = SampleFormat::s16;
  std::uint32_t rate = 48000;  ///< 8000, 12000, 16000, 24000 or 48000
  std::uint8_t channels = 2;   ///< 1 or 2
  Time latency = 120ms;        ///< order before decode; 0: order of arrival
  bool fec = true;             ///< conceal with the next packet's in-band FEC where it has it
  bool plc = true;             ///< conceal the rest by the decoder, up to `plc_limit`
  Time plc_limit = 120ms;
  Time key_wait = 2s;                ///< how long a packet waits for its user or its keys
  std::uint32_t max_waiting = 256;   ///< packets waiting for keys, per stream
  std::uint32_t max_streams = 4096;  ///< beyond it the one that was silent for longest goes
};

/** One datagram as received. `data` is only read during the call. */
struct PacketIn {
  SessionId session = 0;
  std::uint64_t tag = 0;     ///< the caller's; comes back with the verdict
  std::int64_t arrival = 0;  ///< running time in ns, carried through untouched
  bool prime = false;        ///< only bring the decoder up to date: no output, no verdict
  ByteView data;
};

enum class FrameKind : std::uint8_t { pcm, rtp, rtcp };

/** Same bits as DvFrameFlags in gst/glue/frame_meta.hpp. */
enum FrameFlag : std::uint8_t {
  kFrameConcealed = 1,
  kFrameSilence = 2,
  kFrameAfterGap = 4,
  kFrameRestart = 8,
};

/** One result. `data` is valid during the call only. */
struct FrameOut {
  FrameKind kind = FrameKind::pcm;
  std::uint8_t flags = 0;
  SessionId session = 0;
  Ssrc ssrc = 0;
  UserId user = 0;
  std::uint64_t extended_seq = 0;
  std::uint32_t rtp_time = 0;
  std::uint32_t samples = 0;  ///< duration in 48 kHz samples
  std::int64_t arrival = 0;   ///< of the datagram; of the one behind the hole if concealed
  ByteView data;  ///< PCM interleaved; a whole RTP packet without extension and padding; a
                  ///< whole RTCP compound
};

/**
 * Receives what a chain makes. A frame comes directly before the `delivered` verdict of its packet;
 * concealed frames come before the frame whose arrival showed the loss (or time-out).
 */
class ChainSink {
 public:
  virtual ~ChainSink() = default;
  virtual void frame(const FrameOut &frame) = 0;
  virtual void verdict(SessionId session, Ssrc ssrc, std::uint64_t tag, Verdict verdict) = 0;
  /** `count` packets from `first_seq` on were given up; `concealed` of them were made up. */
  virtual void lost(SessionId session, Ssrc ssrc, std::uint64_t first_seq, std::uint64_t count,
                    std::uint64_t concealed) = 0;
};

/**
 * Transport open -> header extension -> RTP padding -> DAVE open -> sequence rules -> Opus decode,
 * for any number of streams. Plain C++, one thread, no I/O, no clock of its own: the same object
 * runs in a worker process and, with `max-workers=0`, in the element's process.
 *
 * Nothing of a stream moves (no state is even made for it) before a transport tag has verified.
 *
 * A session needs a TransportKeyUpdate, a DaveUpdate (with version 0 where calls are not encrypted)
 * and an SsrcUpdate per speaker; until they are there its packets wait, at most `key_wait`.
 * Extended numbers of a stream begin in the second block of 65536, so that a chain that takes over
 * a stream starts from there again: only their low 16 bits are the same as before.
 */
class ReceiveChain {
 public:
  /** `budget`: shared with other chains of this thread, and outlives them; null: one of its own. */
  ReceiveChain(const ChainConfig &config, ChainSink &sink, chain::DecoderBudget *budget = nullptr);
  ~ReceiveChain();
  ReceiveChain(const ReceiveChain &) = delete;
  ReceiveChain &operator=(const ReceiveChain &) = delete;

  void apply(const KeyUpdate &update, Time now);
  void receive(const PacketIn &packet, Time now);
  /** When `advance` has something to do next; kNever if nothing waits. */
  Time next_wakeup() const;
  void advance(Time now);
  /** EOS: everything still held goes out or gets its verdict now. Keys stay. */
  void drain(Time now);
  /** Flush: everything held gets the verdict `flushed`, streams start anew. Keys stay. */
  void flush();
  /** The stream is forgotten after it was drained. */
  void forget(SessionId session, Ssrc ssrc, Time now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dv
