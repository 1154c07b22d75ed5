// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <unordered_map>
#include <vector>

#include "ext/crypto/key_store.hpp"
#include "ext/wire/ids.hpp"

namespace dv::voice {

/**
 * Which SSRC is whose, within one voice session. A binding that ended stays in force for packets in
 * flight and is then taken away by `advance`. Bounded: beyond 16384 SSRCs new ones are refused.
 */
class SsrcTable {
 public:
  struct Change {
    Ssrc ssrc = 0;
    UserId user = 0;
    StreamKind kind = StreamKind::audio;
    bool bound = true;  ///< false: the binding has been taken away
  };
  using Changes = std::vector<Change>;

  /** A new voice session: forgets everything. `own` (op 2) never comes in. */
  void start(Ssrc own);
  /** Op 5, and the audio part of op 12. */
  Changes bind_audio(UserId user, Ssrc ssrc, Time now);
  /** The rest of op 12. */
  Changes bind_other(UserId user, Ssrc ssrc, StreamKind kind);
  /** Op 13. */
  void retire_user(UserId user, Time now);
  Changes advance(Time now);
  Time next_wakeup() const { return next_; }

  /** Those in force, each as it would be taken away. */
  Changes audio() const;
  /** 0 where there is none. */
  Ssrc audio_ssrc_of(UserId user) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    UserId user = 0;
    StreamKind kind = StreamKind::audio;
    Time retire_at = kNever;
  };
  void retire(Ssrc ssrc, Time at);
  void unlink(Ssrc ssrc, const Entry &entry);

  Ssrc own_ = 0;
  std::unordered_map<Ssrc, Entry> entries_;
  std::unordered_map<UserId, Ssrc> audio_;  // user -> current one
  Time next_ = kNever;
};

}  // namespace dv::voice
