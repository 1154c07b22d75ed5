// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/unit/dave/call.hpp"

namespace dv::test {

using namespace dave;

static SessionConfig config_of(UserId self, ChannelId channel) {
  SessionConfig config;
  config.self = self;
  config.channel = channel;
  config.session = 1;
  return config;
}

OwnParticipant::OwnParticipant(UserId self, ChannelId channel)
    : session_(config_of(self, channel)) {}

void OwnParticipant::receive(const DaveUpdate &update) {
  plain_ = update.version == 0;
  for (auto &[user, decryptor] : decryptors_) {
    if (plain_) {
      decryptor.allow_plain(now_);
    } else {
      decryptor.retire(now_);
    }
  }
  for (const auto &sender : update.senders)
    decryptors_[sender.user].add_ratchet(sender.base_secret.view(), now_);
}

Answers OwnParticipant::act(Actions actions) {
  now_ += 1s;
  Answers answers;
  for (auto &action : actions) {
    if (auto *json = std::get_if<SendJson>(&action)) {
      answers.push_back({json->op, {}, json->transition_id});
    } else if (auto *binary = std::get_if<SendBinary>(&action)) {
      answers.push_back({binary->op, std::move(binary->payload), 0});
    } else if (auto *update = std::get_if<DaveUpdate>(&action)) {
      receive(*update);
    } else if (auto *key = std::get_if<SenderKey>(&action)) {
      if (key->version == 0) {
        encryptor_.set_plain();
      } else if (key->base_secret.empty()) {
        encryptor_.clear();
      } else {
        encryptor_.set_key(key->base_secret.view());
      }
    }
  }
  return answers;
}

Answers OwnParticipant::session_description(std::uint16_t version) {
  return act(session_.on_session_description(version));
}
Answers OwnParticipant::clients_connect(const std::vector<UserId> &users) {
  return act(session_.on_clients_connect(users));
}
Answers OwnParticipant::client_disconnect(UserId user) {
  return act(session_.on_client_disconnect(user));
}
Answers OwnParticipant::prepare_transition(std::uint16_t id, std::uint16_t version) {
  return act(session_.on_prepare_transition(id, version));
}
Answers OwnParticipant::execute_transition(std::uint16_t id) {
  return act(session_.on_execute_transition(id));
}
Answers OwnParticipant::prepare_epoch(std::uint16_t version, std::uint64_t epoch) {
  return act(session_.on_prepare_epoch(version, epoch));
}
Answers OwnParticipant::binary(std::uint8_t op, ByteView payload) {
  return act(session_.on_binary(op, payload));
}

Bytes OwnParticipant::seal(ByteView media) {
  Bytes frame;
  if (!encryptor_.seal(media, frame)) return {};
  return frame;
}

Bytes OwnParticipant::open(UserId from, ByteView frame) {
  auto &decryptor = decryptors_[from];
  if (plain_) decryptor.allow_plain(now_);
  Bytes out(frame.size());
  const auto result = decryptor.open(frame, now_, out);
  if (!result.delivered()) return {};
  out.resize(result.size);
  return out;
}

}  // namespace dv::test
