// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <optional>

#include "ext/crypto/key_store.hpp"
#include "ext/wire/worker_messages.hpp"

namespace dv {

/** Worker's side: what a control message says to the chain of its client. Nothing: not a key
 * message, or values out of range. */
std::optional<KeyUpdate> key_update_from(const worker::ToWorker &message);

/** Host's side; views point into the update. */
worker::ToWorker message_from(std::uint32_t client, const TransportKeyUpdate &update);
worker::ToWorker message_from(std::uint32_t client, const SsrcUpdate &update);
worker::ToWorker message_from(std::uint32_t client, const SessionEndUpdate &update);
/** Only the senders that `wanted` names; none is a message of its own worth (version, epoch). */
template <class Wanted>
worker::ToWorker message_from(std::uint32_t client, const DaveUpdate &update, Wanted &&wanted) {
  worker::DaveEpoch m{client,
                      update.session,
                      update.version,
                      update.epoch,
                      {},
                      update.more,
                      static_cast<std::uint64_t>(std::max(update.age, Time(0)).count())};
  for (const auto &s : update.senders) {
    if (m.senders.size() < worker::kMaxSenders && wanted(s.user)) {
      m.senders.push_back({s.user, s.base_secret.view()});
    }
  }
  return m;
}

}  // namespace dv
