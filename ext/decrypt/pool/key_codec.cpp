// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/key_codec.hpp"

namespace dv {
namespace {

std::optional<KeyUpdate> convert(const worker::TransportKey &m) {
  if (m.mode < 1 || m.mode > 2) return std::nullopt;
  return TransportKeyUpdate{m.session, static_cast<TransportMode>(m.mode), Secret(m.key)};
}
std::optional<KeyUpdate> convert(const worker::SsrcBinding &m) {
  if (m.kind < 1 || m.kind > 3) return std::nullopt;
  return SsrcUpdate{m.session, m.ssrc, m.user, static_cast<StreamKind>(m.kind)};
}
std::optional<KeyUpdate> convert(const worker::DaveEpoch &m) {
  if (m.age > static_cast<std::uint64_t>(kNever.count()) / 2) return std::nullopt;
  DaveUpdate update{m.session, m.version, m.epoch, {}, m.more, Time(static_cast<Time::rep>(m.age))};
  update.senders.reserve(m.senders.size());
  for (const auto &s : m.senders) update.senders.push_back({s.user, Secret(s.secret)});
  return update;
}
std::optional<KeyUpdate> convert(const worker::SessionEnd &m) {
  return SessionEndUpdate{m.session};
}
template <class Other>
std::optional<KeyUpdate> convert(const Other &) {
  return std::nullopt;
}

}  // namespace

std::optional<KeyUpdate> key_update_from(const worker::ToWorker &message) {
  return std::visit([](const auto &m) { return convert(m); }, message);
}

worker::ToWorker message_from(std::uint32_t client, const TransportKeyUpdate &u) {
  return worker::TransportKey{client, u.session, static_cast<std::uint8_t>(u.mode), u.key.view()};
}
worker::ToWorker message_from(std::uint32_t client, const SsrcUpdate &u) {
  return worker::SsrcBinding{client, u.session, u.ssrc, u.user, static_cast<std::uint8_t>(u.kind)};
}
worker::ToWorker message_from(std::uint32_t client, const SessionEndUpdate &u) {
  return worker::SessionEnd{client, u.session};
}

}  // namespace dv
