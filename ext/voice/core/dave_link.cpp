// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/dave_link.hpp"

#include <utility>

namespace dv::voice {
namespace {

class RealDave final : public DaveLink {
 public:
  explicit RealDave(dave::SessionConfig config) : session_(std::move(config)) {}

  dave::Actions session_description(std::uint16_t version) override {
    return session_.on_session_description(version);
  }
  dave::Actions clients_connect(const std::vector<UserId> &users) override {
    return session_.on_clients_connect(users);
  }
  dave::Actions client_disconnect(UserId user) override {
    return session_.on_client_disconnect(user);
  }
  dave::Actions prepare_transition(std::uint16_t id, std::uint16_t version) override {
    return session_.on_prepare_transition(id, version);
  }
  dave::Actions execute_transition(std::uint16_t id) override {
    return session_.on_execute_transition(id);
  }
  dave::Actions prepare_epoch(std::uint16_t version, std::uint64_t epoch) override {
    return session_.on_prepare_epoch(version, epoch);
  }
  dave::Actions binary(std::uint8_t op, ByteView payload) override {
    return session_.on_binary(op, payload);
  }
  dave::Actions media_broken() override { return session_.on_media_broken(); }

 private:
  dave::Session session_;
};

}  // namespace

std::unique_ptr<DaveLink> make_dave_link(dave::SessionConfig config) {
  return std::make_unique<RealDave>(std::move(config));
}

}  // namespace dv::voice
